"""The first job: raw files to documents/ and decisions/.

- job: `LicenseFilter`, the plan, parts.parquet and the manifest.
- plan: plan.parquet, and the names of parts.
- heldout: the repository that is held out where the share selects none.
- step: the work on one row of the plan.
- decisions: which rows of a part are kept; filters/licenses/policy makes the license verdicts.
- header_veto: licenses that file headers state.
- repository_licenses: licenses of repositories, for sources that do not give them.
- package_choices: choices of licenses that the package files of repositories state.
- reference_lists: benchmarks and opt-outs, which documents are compared with.
- writer: files in row groups of one component, written in the background.
- preload: what worker processes share.
"""
