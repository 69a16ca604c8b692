from pathlib import Path

from manifests.io import files
from pipelines.corpus.tokenize_table import Tokenize
from pipelines.tokenize.kept_documents import KeptDocuments, KeptTables
from pipelines.tokenize.tokenizer import make_tokenizer


def test_a_tokenizer_of_the_same_size_is_replaced(tmp_path):
    given, directory = tmp_path / "tokenizer.json", str(tmp_path / "tokenize-tokenizer")
    config = Tokenize.model_validate({"tokenizer": str(given)})
    none_kept = KeptDocuments(KeptTables("", ""), [], 0)
    for content in (b"first", b"other", b"first"):
        given.write_bytes(content)
        receipt = make_tokenizer(directory, config, none_kept, ())
        written = Path(directory) / "tokenizer.json"
        assert written.read_bytes() == content
        assert receipt.files["tokenizer.json"].sha256 == files.sha256(str(written))
    before = written.stat().st_ino
    assert make_tokenizer(directory, config, none_kept, ()) == receipt
    assert written.stat().st_ino == before  # not written again
