"""No damage to a file of a run changes what is read of it, and none to data ends in a stack trace."""

import os

import pytest

import damage

TRIES = int(os.environ.get("LATENTE_DAMAGE", "15"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damage")
    damage.make_run(folder)
    return folder


@pytest.mark.parametrize("name", damage.OF_RUN)
def test_a_damaged_file_of_a_run_is_refused_or_reads_the_same(folder, name):
    bad = [
        (what, content[:200])
        for what, content in damage.try_run(folder, name, TRIES)
        if what.startswith(damage.BAD)
    ]
    assert not bad


@pytest.mark.parametrize("name", damage.OF_INPUT)
def test_damaged_data_is_read_or_refused_in_a_sentence(tmp_path, name):
    bad = [
        (what, content[:200])
        for what, content in damage.try_input(tmp_path, name, TRIES)
        if what.startswith(damage.BAD)
    ]
    assert not bad
