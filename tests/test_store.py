"""The store of a run: nothing that was appended is lost or changed, whatever ends the writer."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading

import pytest

from tilewright.bound import Bound
from tilewright.candidate import Candidate, Status
from tilewright.measure.nouns import Measurement
from tilewright.problem import Parameter, Space
from tilewright.record import DATABASE, Record, Store, StoreError, candidate_event, candidate_from_event
from tilewright.verify.verdict import Verdict


def test_events_come_back_in_order_and_by_kind(tmp_path):
    with Store.open(tmp_path / "run") as store:
        first = store.append("proposed", "a", {"x": 1})
        store.append("note", None, {"text": "ä"})
        last = store.append("proposed", "b", {"x": 2})
        assert [e.key for e in store.events("proposed")] == ["a", "b"]
        assert [e.seq for e in store.events(since=first)] == [first + 1, last]
        assert store.events("note")[0].body == {"text": "ä"}
        assert store.get("proposed", "b").body == {"x": 2}
        assert store.get("proposed", "c") is None


def test_a_recorded_event_is_never_overwritten_and_keyless_ones_repeat(tmp_path):
    with Store.open(tmp_path) as store:
        first = store.append("evaluated", "a", {"median_s": 1.0})
        assert store.append("evaluated", "a", {"median_s": 2.0}) == first
        assert [e.body for e in store.events("evaluated")] == [{"median_s": 1.0}]
        assert store.append("best", None, {}) != store.append("best", None, {})


def test_blobs_are_kept_once_under_their_digest(tmp_path):
    with Store.open(tmp_path) as store:
        digest = store.put_blob("text\n")
        assert store.put_blob(b"text\n") == digest
        assert store.put_blob("other") != digest
        assert store.get_blob(digest) == b"text\n"
        with pytest.raises(KeyError, match="no blob"):
            store.get_blob("0" * 16)


def test_numbers_that_json_does_not_know_are_refused(tmp_path):
    with Store.open(tmp_path) as store, pytest.raises(ValueError, match="JSON"):
        store.append("evaluated", "a", {"median_s": float("nan")})


def test_readers_follow_a_live_writer(tmp_path):
    with Store.open(tmp_path) as writer, Store.open(tmp_path, write=False) as reader:
        assert reader.events() == []
        seq = writer.append("proposed", "a", {})
        assert [e.seq for e in reader.events()] == [seq]
        with pytest.raises(sqlite3.OperationalError):
            reader.append("proposed", "b", {})


def test_threads_share_one_store(tmp_path):
    with Store.open(tmp_path) as store:

        def work(thread: int) -> None:
            for i in range(20):
                store.append("proposed", f"{thread}.{i}", {"i": i})

        threads = [threading.Thread(target=work, args=(t,)) for t in range(4)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert len(store.events()) == 80


WRITER = """
    import os, sys
    from tilewright.record import Store
    store = Store.open(sys.argv[1])
    for i in range(1000000):
        store.append("step", str(i), {"i": i, "blob": store.put_blob(f"text {i}" * 100)})
        print(i, flush=True)
"""


@pytest.mark.parametrize("steps", [1, 7, 40])
def test_kill_9_loses_nothing_that_was_appended(tmp_path, steps):
    code = textwrap.dedent(WRITER)
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    for _ in range(steps):
        told = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    child.stdout.close()
    child.wait()
    with Store.open(tmp_path) as store:
        kept = store.events("step")
        assert [e.body["i"] for e in kept] == list(range(len(kept)))
        assert len(kept) > told
        assert store.get_blob(kept[-1].body["blob"]) == (f"text {kept[-1].body['i']}" * 100).encode()
        assert store.append("step", "after", {}) > kept[-1].seq


def test_one_writer_at_a_time_and_the_lock_dies_with_its_owner(tmp_path):
    code = f"from tilewright.record import Store; s = Store.open({str(tmp_path)!r}); print(1, flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    child.stdout.readline()
    with pytest.raises(StoreError, match=f"another live process \\(id {child.pid}\\)"):
        Store.open(tmp_path)
    Store.open(tmp_path, write=False).close()
    child.kill()
    child.communicate()
    Store.open(tmp_path).close()


def test_folders_that_are_no_run_are_named(tmp_path):
    with pytest.raises(StoreError, match="is not a run"):
        Store.open(tmp_path / "absent", create=False)
    with pytest.raises(StoreError, match="is not a run"):
        Store.open(tmp_path, write=False)
    (tmp_path / DATABASE).write_text("not a database, but long enough to be looked at " * 50)
    for write in (True, False):
        with pytest.raises(StoreError, match="not a run's database"):
            Store.open(tmp_path, write=write)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write a run"):
        Store.open(tmp_path / "file" / "run")


def test_a_newer_version_is_refused(tmp_path):
    Store.open(tmp_path).close()
    with sqlite3.connect(tmp_path / DATABASE) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    for write in (True, False):
        with pytest.raises(StoreError, match="newer tilewright"):
            Store.open(tmp_path, write=write)


def test_a_finished_run_is_readable_from_a_read_only_folder(tmp_path):
    with Store.open(tmp_path / "run") as store:
        store.append("finished", "finished", {"status": "improved"})
    copy = shutil.copytree(tmp_path / "run", tmp_path / "copy")
    copy.chmod(0o555)
    try:
        with Store.open(copy, write=False) as reader:
            assert reader.events()[0].body == {"status": "improved"}
    finally:
        copy.chmod(0o755)


def test_candidates_survive_the_store(tmp_path):
    space = Space(parameters=(Parameter(name="A", values=(1, 2), default=1),), constraints=("A > 0",))
    candidate = Candidate(name="c", source="PARAMS = {'A': 1}\ndef f(x): return x\n", entry="f", space=space)
    with Store.open(tmp_path) as store:
        again = candidate_from_event(store, candidate_event(store, candidate))
    assert again == candidate
    assert again.digest == candidate.digest


PASSED = Verdict(status="PASSED", tier="screen", later=0.5)
TIMES = Measurement(median_s=2.0, ci_low_s=1.9, ci_high_s=2.1, samples_s=(2.0,), blocks=1, method="test", state="warm")


def test_records_survive_json_with_what_they_do_not_know():
    record = Record(candidate="d", name="c", verdict=PASSED, measurement=TIMES)
    record = record.with_(bound=Bound(achievable_s=1.0), from_the_future=[1])
    again = Record.from_json(record.to_json())
    assert again.to_json() == record.to_json()
    assert again.digest == record.digest
    assert again.status is Status.PASSED
    assert again.median_s == 2.0
    assert again.fraction_of_bound == 0.5
    assert again.model_extra == {"from_the_future": [1]}
