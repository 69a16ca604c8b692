from manifests.catalog.licenses import hub_names, pages


def test_ids_that_spdx_does_not_list_have_no_page_and_are_other_on_the_hub():
    expressions = ["MIT OR LicenseRef-proprietary-x", "NOASSERTION", "NONE", ""]
    assert pages(expressions) == ["https://spdx.org/licenses/MIT.html"]
    assert hub_names(expressions) == ["mit", "other"]
