from __future__ import annotations


def test_spiders_are_listed_with_place_and_first_line(scrapekit, project):
    (project / "spiders" / "b.py").write_text(
        "from scrapekit import Spider\n\n\nclass B(Spider):\n    name = 'a-longer-name'\n"
    )
    said = scrapekit("list")
    assert (said.code, said.err) == (0, "")
    assert said.out == ("a-longer-name  spiders/b.py:4\npages          spiders/pages.py:9  Every page of the site.\n")


def test_a_broken_file_hides_no_other(scrapekit, project):
    (project / "spiders" / "broken.py").write_text("x = 1\nundefined\n")
    said = scrapekit("list")
    assert said.out.startswith("pages ")
    assert said.err == "scrapekit: spiders/broken.py:2: NameError: name 'undefined' is not defined\n"


def test_without_a_project_the_way_out_is_said(scrapekit):
    said = scrapekit("list")
    assert said.code == 2
    assert "scrapekit new project DIR" in said.refusal


def test_a_project_without_spiders_says_how_to_make_one(scrapekit, folder):
    (folder / "scrapekit.toml").write_text("")
    (folder / "spiders").mkdir()
    said = scrapekit("list")
    assert (said.code, said.out) == (0, "")
    assert "scrapekit new spider NAME URL" in said.err
