"""Downloads, against a server of our own: whole or not at all."""

import hashlib
import http.server
import threading

import pytest

from latente.data.download import cache_folder, download, fetch, find
from latente.errors import DataError

BODY = bytes(range(256)) * 1000
SHA = hashlib.sha256(BODY).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        if "missing" in self.path:
            self.send_error(404)
            return
        body = BODY[::-1] if "wrong" in self.path else BODY
        self.send_response(200)
        if "unsized" not in self.path:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:5000] if "cut" in self.path else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        server.url = f"http://127.0.0.1:{server.server_port}"
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("LATENTE_DATA", raising=False)


def test_a_file_comes_whole_and_is_asked_for_once(server):
    for _ in range(2):
        path = fetch(("set", "other"), "f.gz", (f"{server.url}/good/",), SHA)
        assert path.read_bytes() == BODY and path == cache_folder() / "set" / "f.gz"
    assert server.asked == ["/good/f.gz"] and [p.name for p in path.parent.iterdir()] == ["f.gz"]


@pytest.mark.parametrize("bad", ["missing", "wrong", "cut", "cut-unsized"])
def test_the_next_mirror_is_taken(server, tmp_path, bad):
    path = download((f"{server.url}/{bad}", f"{server.url}/good"), tmp_path / "set" / "f", SHA)
    assert path.read_bytes() == BODY and len(server.asked) == 2


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("missing", "404 Not Found"),
        ("wrong", "wrong SHA-256"),
        ("cut", "only 5,000 of 256,000 bytes came"),
        ("cut-unsized", "wrong SHA-256"),
    ],
)
def test_what_is_not_whole_is_not_kept(server, tmp_path, bad, reason):
    with pytest.raises(DataError) as caught:
        download((f"{server.url}/{bad}",), tmp_path / "set" / "f", SHA)
    text = str(caught.value)
    assert reason in text and f"{server.url}/{bad}" in text and "set LATENTE_DATA" in text
    assert list((tmp_path / "set").iterdir()) == []


def test_offline_names_every_mirror_and_the_way_out(server, tmp_path):
    server.shutdown()
    server.server_close()
    mirrors = (f"{server.url}/one", f"{server.url}/two")
    with pytest.raises(DataError, match=r"f could not be downloaded.*refused.*set LATENTE_DATA") as caught:
        download(mirrors, tmp_path / "set" / "f", SHA)
    assert all(m in str(caught.value) for m in mirrors) and list((tmp_path / "set").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"The cache \S+ cannot be written.*XDG_CACHE_HOME"):
        download((f"{server.url}/good",), tmp_path / "file" / "set" / "f", SHA)
    assert (tmp_path / "file").read_text() == "in the way"


def test_an_interruption_leaves_nothing(server, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("latente.data.download.os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download((f"{server.url}/good",), tmp_path / "set" / "f", SHA)
    assert list((tmp_path / "set").iterdir()) == []


def test_the_users_folder_comes_first(monkeypatch, tmp_path):
    monkeypatch.setenv("LATENTE_DATA", str(tmp_path))
    assert find(("set", "other"), "f") is None
    cached = cache_folder() / "set" / "f"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(BODY)
    assert find(("set", "other"), "f", SHA) == cached
    (tmp_path / "f").write_bytes(b"of another set with the same file names")
    assert find(("set", "other"), "f", SHA) == cached
    (tmp_path / "f").write_bytes(BODY)
    assert find(("set", "other"), "f", SHA) == tmp_path / "f"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "f").write_bytes(BODY)
    assert find(("set", "other"), "f", SHA) == tmp_path / "other" / "f"


def test_a_wrong_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("LATENTE_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"LATENTE_DATA is set to .*nowhere, which is not a folder"):
        find(("set",), "f")
