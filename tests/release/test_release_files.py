"""What a release consists of besides the distributions: changelog, citation, workflows, images."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CI, RELEASE = WORKFLOWS
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))


@pytest.fixture
def section(scripts):
    from changelog import section

    return section


def test_the_changelog_of_a_version_ends_at_the_next(section):
    text = "# Changelog\n\n## Unreleased\n\nA\n\n## 0.2.0 (2026-12-01)\n\n### B\n\n- c\n\n"
    text += "## 0.1.0\n\nD\n"
    assert section(text, "0.2.0") == "### B\n\n- c\n"
    assert section(text, "0.1.0") == "D\n"


@pytest.mark.parametrize("version", ["0.2.0rc1", "0.2", "0.3.0"])
def test_a_version_without_changelog_is_refused(section, version):
    with pytest.raises(LookupError, match=f"says nothing of {re.escape(version)}: add"):
        section("## 0.2.0\n\nA\n\n## 0.3.0 (2027-01-01)\n\n## 0.1.0\n", version)


def test_the_citation_names_the_project_and_the_papers_authors():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["authors"] == [{"name": "The restoration-toolkit project"}]
    [paper] = citation["references"]
    assert paper["doi"] == "10.48550/arXiv.2410.04224"
    assert [each["family-names"] for each in paper["authors"]][:2] == ["Li", "Cao"]
    assert len(paper["authors"]) == 8


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_pin_what_they_use_and_may_do_little(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])


def test_a_release_is_tried_before_it_is_published_without_a_token():
    jobs = yaml.safe_load(RELEASE.read_text())["jobs"]
    assert (jobs["test"]["needs"], jobs["publish"]["needs"]) == ("build", "test")
    assert jobs["publish"]["permissions"]["id-token"] == "write"
    assert jobs["publish"]["environment"] == "pypi"
    assert "secrets." not in RELEASE.read_text()
    others = [job.get("permissions", {}) for name, job in jobs.items() if name != "publish"]
    assert not any("id-token" in each for each in others)


def test_ci_runs_what_must_pass_before_anything_lands():
    assert yaml.safe_load(CI.read_text())["jobs"]["checks"]["steps"][-1] == {"run": ".ci/run"}


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_images_run_the_demo_as_a_common_user(path):
    lines = path.read_text().splitlines()
    assert lines[-2:] == ["USER 1000", 'CMD ["python", "/opt/demo.py"]']
    copied = [line.split()[1] for line in lines if line.startswith("COPY") and line != "COPY . ."]
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    assert all((ROOT / each).is_file() and f"!{each}" in kept for each in copied)
