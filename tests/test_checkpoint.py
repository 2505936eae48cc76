"""Checkpoints on disk: whole or not there, and never believed when they have changed."""

import contextlib
import errno
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
import zipfile

import ml_dtypes
import numpy as np
import pytest
from manifests import sign

from kerasgan import checkpoint
from kerasgan.errors import (
    CheckpointCorruptError,
    CheckpointMismatchError,
    CheckpointVersionError,
    CheckpointWriteError,
    RunDirError,
)

FILES = ("state.npz", "training.json", "manifest.json")


def arrays():
    rng = np.random.default_rng(0)
    return {
        "generator/000/kernel": rng.normal(size=(3, 4)).astype("float32"),
        "generator/001/bias": np.asarray(rng.normal(size=4), ml_dtypes.bfloat16),
        "model/000/step": np.asarray(7, "int64"),
        "d_optimizer/000": np.zeros(0, "float16"),
        "flag": np.asarray(True),
    }


def specs(values):
    return {name: (value.shape, value.dtype) for name, value in values.items()}


def write(directory, step=12, epoch=3):
    return checkpoint.write(directory, step, epoch, arrays(), {"best": 0.1})


def others(directory):
    return sorted(path.name for path in directory.iterdir() if not path.name.startswith("step-"))


# What was written comes back


def test_what_is_written_is_read_again_whatever_its_dtype(tmp_path):
    written = arrays()
    path = checkpoint.write(tmp_path, 12, 3, written, {"logs": [1.5, None], "name": "é"})
    assert path.name == "step-00000012-epoch-0003"
    checkpoint.verify(path)
    read = checkpoint.read_arrays(path, specs(written))
    assert list(read) == list(written)
    for name, value in written.items():
        assert read[name].dtype == value.dtype, name
        np.testing.assert_array_equal(read[name], value, err_msg=name)
    assert checkpoint.read_values(path) == {"logs": [1.5, None], "name": "é"}
    assert others(tmp_path) == []


def test_the_newest_is_that_of_the_highest_step_and_the_lowest_are_pruned(tmp_path):
    paths = [write(tmp_path, step) for step in (5, 40, 100_000_000)]
    (tmp_path / "notes").mkdir()
    assert checkpoint.newest(tmp_path).name == "step-100000000-epoch-0003"
    checkpoint.prune(paths[-1], keep=2)
    names = [path.name for path in checkpoint.checkpoints(tmp_path)]
    assert names == ["step-100000000-epoch-0003", "step-00000040-epoch-0003"]
    assert others(tmp_path) == ["notes"]


def test_damaged_checkpoints_of_later_steps_do_not_outlive_the_good_one_that_is_written_now(tmp_path):
    good, *damaged = (write(tmp_path, step) for step in (20, 30, 40))
    for path in damaged:
        (path / "state.npz").write_bytes(b"")
    checkpoint.prune(write(tmp_path, 25), keep=2)
    names = [path.name for path in checkpoint.checkpoints(tmp_path)]
    assert names == ["step-00000025-epoch-0003", good.name]
    assert checkpoint.newest(tmp_path).name == names[0]


def test_a_directory_without_checkpoints_has_none(tmp_path):
    assert checkpoint.newest(tmp_path) is None
    assert checkpoint.newest(tmp_path / "nowhere") is None


def test_a_directory_that_was_moved_is_read_as_before(tmp_path):
    write(tmp_path / "here")
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert checkpoint.read_arrays(checkpoint.newest(tmp_path / "there"), specs(arrays()))


def test_a_damaged_checkpoint_of_the_same_step_is_replaced(tmp_path):
    (write(tmp_path) / "state.npz").write_bytes(b"")
    checkpoint.verify(write(tmp_path))


# What has changed is not believed


def test_each_of_two_hundred_flipped_bits_is_found_and_the_checkpoint_before_is_used(tmp_path):
    good, damaged = write(tmp_path, 10), write(tmp_path, 20)
    rng = np.random.default_rng(0)
    for trial in range(200):
        file = damaged / FILES[trial % 3]
        original = file.read_bytes()
        content = bytearray(original)
        bit = int(rng.integers(8 * len(content)))
        content[bit // 8] ^= 1 << bit % 8
        file.write_bytes(content)
        with pytest.warns(UserWarning, match=f"Skipped .*{damaged.name}: {file.name}"):
            assert checkpoint.newest(tmp_path) == good, (file.name, bit)
        file.write_bytes(original)
    assert checkpoint.newest(tmp_path) == damaged


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99, None])
def test_a_file_that_is_cut_off_or_missing_is_found(tmp_path, name, share):
    good, damaged = write(tmp_path, 10), write(tmp_path, 20)
    file = damaged / name
    if share is None:
        file.unlink()
    else:
        os.truncate(file, int(share * file.stat().st_size))
    with pytest.warns(UserWarning, match=f"{damaged.name}: {name} .*Going back to {good.name}"):
        assert checkpoint.newest(tmp_path) == good


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{}", b'{"format": 1}', b"\xff\xfe"])
def test_a_manifest_that_is_none_is_found(tmp_path, content):
    (write(tmp_path) / "manifest.json").write_bytes(content)
    with pytest.raises(CheckpointCorruptError, match=r"manifest\.json"):
        checkpoint.newest(tmp_path)


def test_directories_and_files_that_change_places_are_found(tmp_path):
    path = write(tmp_path, 10)
    (path / "state.npz").unlink()
    (path / "state.npz").mkdir()
    (tmp_path / "step-00000020-epoch-0003").write_bytes(b"a file")
    with pytest.raises(CheckpointCorruptError, match=r"(?s)step-00000020.*manifest.*step-00000010.*state\.npz"):
        checkpoint.newest(tmp_path)


def test_a_checkpoint_under_the_name_of_another_step_is_found(tmp_path):
    write(tmp_path, 10).rename(tmp_path / "step-00000099-epoch-0003")
    with pytest.raises(CheckpointCorruptError, match="manifest is that of step 10"):
        checkpoint.newest(tmp_path)


def test_where_none_is_intact_each_is_named_and_the_training_does_not_begin_anew(tmp_path):
    for step in (1, 2, 3):
        (write(tmp_path, step) / "training.json").write_bytes(b"{}")
    with pytest.raises(CheckpointCorruptError) as caught:
        checkpoint.newest(tmp_path)
    for step in (1, 2, 3):
        assert f"step-0000000{step}-epoch-0003: training.json is not what was written" in str(caught.value)


def test_a_checkpoint_of_a_later_format_is_refused_and_not_passed_over(tmp_path, monkeypatch):
    write(tmp_path, 10)
    monkeypatch.setattr(checkpoint, "FORMAT", 2)
    write(tmp_path, 20)
    monkeypatch.undo()
    with pytest.raises(CheckpointVersionError, match=r"format 2; kerasgan .* reads format 1"):
        checkpoint.newest(tmp_path)


# What belongs to another training is not read


def test_a_mismatch_names_the_first_five_differences_and_counts_the_others(tmp_path):
    path = write(tmp_path)
    wanted = specs(arrays())
    wanted["generator/000/kernel"] = ((3, 5), np.dtype("float32"))
    wanted["generator/001/bias"] = ((4,), np.dtype("float32"))
    wanted |= {f"more/{index}": ((1,), np.dtype("int64")) for index in range(5)}
    del wanted["flag"]
    with pytest.raises(CheckpointMismatchError) as caught:
        checkpoint.read_arrays(path, wanted)
    message = str(caught.value)
    assert "generator/000/kernel: float32 (3, 4) in the checkpoint, float32 (3, 5) here" in message
    assert "generator/001/bias: |V2 (4,) in the checkpoint, float32 (4,) here" in message
    assert "more/0 is not in the checkpoint" in message
    assert "and 3 more" in message
    assert message.count("\n  ") == 6


def crafted(tmp_path, write_entries):
    """A checkpoint whose manifest fits and whose archive is an attacker's."""
    path = write(tmp_path)
    with zipfile.ZipFile(path / "state.npz", "w") as archive:
        write_entries(archive)
    sign(path)
    checkpoint.verify(path)
    return path


def npy(shape, dtype="<f4", data=b""):
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


class Trap:
    def __reduce__(self):
        return os.system, ("touch trapped",)


@pytest.mark.parametrize("error", [CheckpointCorruptError, CheckpointMismatchError])
def test_nothing_in_a_checkpoint_is_executed(tmp_path, monkeypatch, error):
    monkeypatch.chdir(tmp_path)
    trap = pickle.dumps(np.array([Trap()], dtype=object))
    entry = npy((1,), "|O", trap) if error is CheckpointCorruptError else npy((1,), "<f4", trap)
    path = crafted(tmp_path, lambda archive: archive.writestr("a.npy", entry))
    with pytest.raises(checkpoint.CheckpointError):
        checkpoint.read_arrays(path, {"a": ((1,), np.dtype(object))} if error is CheckpointCorruptError else {})
    assert not (tmp_path / "trapped").exists()


def test_an_array_that_declares_more_than_it_holds_is_refused_before_memory_is_taken(tmp_path):
    huge = (10**6, 10**6)
    path = crafted(tmp_path, lambda archive: archive.writestr("a.npy", npy(huge, data=b"\0" * 64)))
    with pytest.raises(CheckpointCorruptError, match=r"a\.npy does not hold the array that it declares"):
        checkpoint.read_arrays(path, {"a": (huge, np.dtype("float32"))})


def test_an_archive_that_swells_is_refused(tmp_path):
    bomb = npy((10**6,), data=b"\0" * 4 * 10**6)
    path = crafted(tmp_path, lambda archive: archive.writestr("a.npy", bomb, zipfile.ZIP_DEFLATED))
    with pytest.raises(CheckpointCorruptError, match="does not hold the array"):
        checkpoint.read_arrays(path, {"a": ((10**6,), np.dtype("float32"))})


def test_paths_in_an_archive_lead_nowhere(tmp_path):
    path = crafted(tmp_path, lambda archive: archive.writestr("../../outside.npy", npy((1,), data=b"\0" * 4)))
    with pytest.raises(CheckpointMismatchError, match=r"\.\./\.\./outside is in the checkpoint alone"):
        checkpoint.read_arrays(path, {})
    assert not (tmp_path.parent / "outside.npy").exists()


def test_an_archive_that_is_none_is_refused(tmp_path):
    path = write(tmp_path)
    (path / "state.npz").write_bytes(b"PK no more")
    sign(path)
    with pytest.raises(CheckpointCorruptError, match=r"state\.npz cannot be read"):
        checkpoint.read_arrays(path, specs(arrays()))


# A write that fails leaves the old ones, or those and the new one


STAGES = {
    "writing the arrays": (np, "savez", 1),
    "flushing the arrays": (os, "fsync", 1),
    "flushing the values": (os, "fsync", 2),
    "flushing the manifest": (os, "fsync", 3),
    "flushing the temporary directory": (os, "fsync", 4),
    "renaming": (os, "replace", 1),
    "flushing the directory": (os, "fsync", 5),
    "renaming what is pruned": (os, "replace", 2),
    "removing what is pruned": (shutil, "rmtree", 1),
}


@contextlib.contextmanager
def broken(stage, action):
    """Calls `action` at a stage of a save, in the middle of the file where it writes one."""
    owner, name, left = STAGES[stage]
    original = getattr(owner, name)

    def function(*args, **kwargs):
        nonlocal left
        left -= 1
        if left == 0:
            if name == "savez":
                args[0].write(b"half")
            action()
        return original(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, function)
        yield


def save_and_prune(directory):
    checkpoint.prune(write(directory, 20), 1)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_process_that_ends_at_any_stage_of_a_save_leaves_a_checkpoint(tmp_path, stage):
    write(tmp_path, 10)

    def child():
        with broken(stage, lambda: os._exit(9)):
            save_and_prune(tmp_path)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 9
    stages = list(STAGES)
    new = stages.index(stage) > stages.index("renaming")
    assert checkpoint.newest(tmp_path).name == f"step-000000{20 if new else 10}-epoch-0003"  # and no warning
    checkpoint.sweep(tmp_path)
    assert others(tmp_path) == []


@pytest.mark.parametrize("stage", list(STAGES)[:7])
def test_a_disk_that_fails_at_any_stage_of_a_save_leaves_nothing_half_written(tmp_path, stage):
    write(tmp_path, 10)

    def fail():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with broken(stage, fail), pytest.raises(CheckpointWriteError, match="No space left on device"):
        save_and_prune(tmp_path)
    assert checkpoint.newest(tmp_path) is not None
    assert others(tmp_path) == []


def test_a_full_disk_is_told_with_the_path_and_what_is_needed_and_free(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs the rights of root")
    try:
        good = write(disk)
        with pytest.raises(CheckpointWriteError) as caught:
            checkpoint.write(disk, 20, 3, {"a": np.ones(2**20, "float32")}, {})
        assert caught.value.errno == errno.ENOSPC
        assert caught.value.filename == str(disk / "step-00000020-epoch-0003")
        assert "a checkpoint of 4,194,304 bytes cannot be written" in str(caught.value)
        assert "bytes are free. Make room" in str(caught.value)
        assert checkpoint.newest(disk) == good
        assert others(disk) == []
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for attempt in (lambda: write(disk, 30), lambda: checkpoint.locked(disk).__enter__()):
            with pytest.raises(CheckpointWriteError, match="Read-only file system") as caught:
                attempt()
            assert caught.value.errno == errno.EROFS
        assert checkpoint.newest(disk) == good
    finally:
        subprocess.run(["umount", disk], check=True)


# One training a directory


HOLDER = textwrap.dedent("""
    import sys, time
    from kerasgan import checkpoint
    with checkpoint.locked(sys.argv[1]):
        print("held", flush=True)
        time.sleep(60)
""")


@pytest.mark.slow
def test_a_directory_is_held_by_one_process_until_it_ends_even_by_sigkill(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(RunDirError, match=f"in use by process {holder.pid} on .*name another directory"),
            checkpoint.locked(tmp_path),
        ):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with checkpoint.locked(tmp_path):
        assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} on ")
    with checkpoint.locked(tmp_path):  # let go of
        pass
