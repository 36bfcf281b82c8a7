"""Parts from the model hub: its own cache, and what is told where it gives nothing."""

import hashlib
import re
import shutil
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import constants, errors

import toolkit
from toolkit.errors import WeightsError
from toolkit_backbones import hub
from toolkit_backbones.files import WEIGHTS

NAME = "someone/their-model"


@pytest.fixture
def network(monkeypatch):
    """Whether there is one, and how often that was asked."""

    class Network:
        def __init__(self):
            self.reason, self.asked = "", 0

        def __call__(self, _urls):
            self.asked += 1
            return self

        def failure(self, _url):
            return self.reason

    fake = Network()
    monkeypatch.setattr(hub, "Probes", fake)
    return fake


@pytest.fixture
def answer(monkeypatch, network):
    """Puts a hub in place that gives files of a folder, or raises what `refusals` holds."""

    def put(folder=None, refusals=None):
        asked = []

        def download(repository, name, *, local_files_only):
            asked.append((name, local_files_only))
            assert repository == NAME
            for ending, error in (refusals or {}).items():
                if name.endswith(ending):
                    raise error
            if not (folder / name).is_file():
                raise refused(errors.RemoteEntryNotFoundError)
            return str(folder / name)

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
        return asked

    return put


def refused(kind, status=404):
    """An error as the hub's library raises it."""
    response = SimpleNamespace(headers={}, request=None, status_code=status)
    return kind("what the hub said", response=response)


@pytest.fixture
def cache(tmp_path, monkeypatch, sd21):
    """The hub library's own cache, with a repository in it as its newest layout has it."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    plain = sd21.write_folder(tmp_path / "plain")
    (plain / hub.SCHEDULE).parent.mkdir()
    (plain / hub.SCHEDULE).write_text('{"prediction_type": "epsilon"}')
    folder = tmp_path / "hub" / f"models--{NAME.replace('/', '--')}"
    snapshot = folder / "snapshots" / ("c" * 40)
    for path in sorted(each for each in plain.rglob("*") if each.is_file()):
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        # A store for all repositories names its files by hashes of another kind.
        store = tmp_path / "hub" / "blobs" / "ab" / hashlib.sha256(sha256.encode()).hexdigest()
        blob, pointer = folder / "blobs" / sha256, snapshot / path.relative_to(plain)
        for each in (store, blob, pointer):
            each.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, store)
        blob.symlink_to(store)
        pointer.symlink_to(blob)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("c" * 40)
    return snapshot


def told_of(sd21, part="unet"):
    """What is said where a part cannot be had."""
    with pytest.raises(WeightsError) as raised:
        getattr(sd21.load(NAME), part)()
    return f"{raised.value}\n{raised.value.hint}"


class TestWhatIsThere:
    def test_it_is_read_from_the_cache_without_a_network(self, sd21, cache, network):
        network.reason = "no route to host"
        backbone = sd21.load(NAME)
        sd21.assert_is_loaded(backbone)
        assert network.asked == 2  # once for each part
        backbone.unet(shared=True)
        assert backbone.fingerprint
        assert network.asked == 2

    def test_half_precision_alone_is_found_without_a_network(self, sd21, cache, network):
        network.reason = "no route to host"
        for part in ("vae", "unet"):
            path = cache / part / WEIGHTS
            path.rename(path.with_name(WEIGHTS.replace(".safetensors", ".fp16.safetensors")))
        sd21.assert_is_loaded(sd21.load(NAME))

    def test_each_part_is_asked_for_alone(self, sd21, tmp_path, answer):
        asked = answer(sd21.write_folder(tmp_path / "there", parts=["unet"]))
        sd21.load(NAME).unet()
        names = ["unet/config.json", hub.SCHEDULE, f"unet/{WEIGHTS}"]
        assert asked == [(name, False) for name in names]

    def test_a_folder_here_of_that_name_comes_first(self, sd21, tmp_path, answer, monkeypatch):
        asked = answer()
        monkeypatch.chdir(tmp_path)
        sd21.write_folder(tmp_path / NAME)
        sd21.assert_is_loaded(sd21.load(NAME))
        assert asked == []


class TestWhatIsTold:
    def test_an_unknown_repository(self, sd21, answer):
        answer(refusals={"": refused(errors.RepositoryNotFoundError)})
        told = told_of(sd21)
        assert f"The hub has no repository {NAME}, and there is no such folder here." in told
        assert "OWNER/NAME" in told

    def test_terms_that_must_be_accepted(self, sd21, answer):
        answer(refusals={"": refused(errors.GatedRepoError, 403)})
        told = told_of(sd21)
        assert f"requires you to accept the terms of {NAME}" in told
        assert "hf auth login" in told

    @pytest.mark.parametrize("missing", ["config.json", WEIGHTS])
    def test_a_missing_part(self, sd21, tmp_path, answer, missing):
        folder = sd21.write_folder(tmp_path / "there")
        (folder / "unet" / missing).unlink()
        answer(folder)
        assert f"The hub's {NAME} has no unet/{missing}." in told_of(sd21)

    def test_a_file_that_never_came_to_this_machine(self, sd21, cache, network):
        network.reason = "no route to host"
        (cache / "unet" / WEIGHTS).unlink()
        told = told_of(sd21)
        assert f"unet/{WEIGHTS} of {NAME} is not in the hub's cache on this machine" in told
        assert "(no route to host)" in told
        assert f"hf download {NAME}" in told

    def test_a_repository_that_never_came_to_this_machine(
        self, sd21, tmp_path, network, monkeypatch
    ):
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        network.reason = "no route to host"
        told = told_of(sd21)
        assert f"unet/config.json of {NAME} is not in the hub's cache on this machine" in told
        assert f"If you meant a local folder: there is no {NAME}." in told

    def test_a_model_that_predicts_no_noise(self, sd21, tmp_path, answer):
        folder = sd21.write_folder(tmp_path / "there")
        (folder / hub.SCHEDULE).parent.mkdir()
        (folder / hub.SCHEDULE).write_text('{"prediction_type": "v_prediction"}')
        answer(folder)
        assert "predicts v_prediction, not the noise" in told_of(sd21)

    def test_another_model(self, sd21, sdxl, tmp_path, answer):
        answer(sdxl.write_folder(tmp_path / "there"))
        assert "contains another model than 'sd21'" in told_of(sd21)

    @pytest.mark.parametrize("part", ["vae", "unet"])
    def test_a_file_that_is_not_what_the_hub_says(self, sd21, cache, network, part):
        network.reason = "no route to host"
        path = cache / part / WEIGHTS
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        told = told_of(sd21, part)
        assert f"{path} does not have the SHA-256 that the hub states" in told
        assert f"Delete {path.resolve()} and download it again." in told

    @pytest.mark.parametrize(
        "error",
        [
            OSError(28, "No space left on device"),
            refused(errors.HfHubHTTPError, 500),
            RuntimeError("the connection broke"),
        ],
    )
    def test_whatever_else_goes_wrong(self, sd21, answer, error):
        answer(refusals={"": error})
        assert f"{NAME} cannot be fetched from the hub: {error}" in told_of(sd21)

    @pytest.mark.parametrize("name", ["a/b--c", "a/b..c", "a/" + "b" * 120])
    def test_a_name_that_no_repository_may_have(self, sd21, network, name):
        network.reason = "no route to host"
        with pytest.raises(WeightsError, match=f"{re.escape(name)} cannot be fetched"):
            sd21.load(name).unet()

    def test_a_network_that_leads_nowhere(self, tmp_path, monkeypatch, capfd):
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        with pytest.raises(WeightsError, match="the hub cannot be reached"):
            toolkit.make("backbone", "sd21:nobody/nothing").unet()
        written = capfd.readouterr()
        assert (written.out, written.err) == ("", "")
