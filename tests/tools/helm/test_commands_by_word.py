"""The first word decides which of helm's modules are loaded."""

from __future__ import annotations

import importlib

import pytest

from lab_helpers.tools.helm import launching


@pytest.mark.parametrize("module", launching._MODULES)
def test_each_module_has_the_commands_that_it_is_loaded_for(module: str) -> None:
    made = importlib.import_module(f"lab_helpers.tools.helm.commands.{module}").build()
    names = launching._MODULES[module]
    assert {name for item in made for name in (item.name, *item.aliases)} == set(names)


@pytest.mark.parametrize(("words", "many"), [((), True), (("list", "-A"), False), (("-n", "x", "list"), True)])
def test_all_are_there_when_the_first_word_is_no_command(words: tuple[str, ...], many: bool) -> None:
    names = {item.name for item in launching.root(words).commands}
    assert "list" in names
    assert ("install" in names) is many
