from license_expression import get_license_index

from filters.licenses.list_versions import ids_until, newest


def test_every_spdx_id_of_the_license_index_has_a_version():
    ids = {entry.get("spdx_license_key") or "LicenseRef" for entry in get_license_index()}
    assert {id_ for id_ in ids if not id_.startswith("LicenseRef")} <= ids_until(newest())


def test_a_version_holds_the_ids_of_all_versions_before():
    assert "SunPro" not in ids_until("3.19")
    assert "SunPro" in ids_until("3.20")
    assert {"MIT", "GPL-2.0-only", "LLVM-exception", "0BSD"} <= ids_until("3.9")
    assert len(ids_until("1.16")) < len(ids_until("3.9")) < len(ids_until("3.10"))
