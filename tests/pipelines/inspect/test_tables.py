from manifests.io import files
from manifests.lineage.chain import load_chain
from pipelines.inspect.tables import document_tables


def test_documents_are_listed_by_one_request(output, monkeypatch):
    chain = load_chain(str(output))
    tables = document_tables(chain)
    assert len(tables) == 2
    files.remove(tables[0].url)
    listed = []

    def list_names(directory):
        listed.append(directory)
        return list_names_of_store(directory)

    def exists(url):
        raise AssertionError(f"{url}: one request a part")

    list_names_of_store = files.list_names
    monkeypatch.setattr(files, "list_names", list_names)
    monkeypatch.setattr(files, "exists", exists)
    assert document_tables(chain) == tables[1:]
    assert listed == [str(output / "license_filter/documents")]
