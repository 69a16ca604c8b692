"""Evaluation on the benchmarks of CodeGen2 and CodeGen, from local files.

evaluation runs tasks and writes results, which paper shows beside the paper's tables. settings is
what a user chooses. open_model opens a model: model has what tasks ask of it, transformers_model
any other causal language model. Programs: code_tasks has the benchmarks, code_evaluation samples
and executes, pass_at_k estimates; mtpb has several turns. Scored answers: likelihood_tasks has
LAMBADA and PIQA, heldout the losses of a run, xsum summaries. data reads files of
benchmarks, sample_file the files that a restart goes on with, and intervals makes estimates.
"""
