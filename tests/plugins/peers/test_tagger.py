"""The tagger agrees with the authors' network, and its parts do what they say."""

import pytest
import torch

from toolkit.plugin import WeightsError
from toolkit_peers import published
from toolkit_peers.tagger.network import FULL, TINY, create
from toolkit_peers.tagger.tagger import prepared, random_tagger, read_tagger
from toolkit_peers.tagger.tags import Tags, placeholders, read_tags

VARIANTS = "published", "ram", "double"


@pytest.fixture(scope="module")
def dape(golden):
    return golden("dape")


@pytest.mark.parametrize("variant", VARIANTS)
def test_network_agrees_with_the_authors(dape, taggers, close, variant):
    network, image = taggers[variant].network, dape["image"]
    close(network.features(image), dape[f"{variant}.backbone"], 1e-5)
    tokens = network.tokens(image)
    close(tokens, dape[f"{variant}.image_embeds"], 1e-5)
    logits = network(tokens)
    close(logits, dape[f"{variant}.logits"], 1e-5)
    close(logits.sigmoid(), dape[f"{variant}.probabilities"], 1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_tags_agree_with_the_authors(dape, taggers, variant):
    tagger, tiny = taggers[variant], dape.config["tiny"]
    logits = tagger.network(tagger.network.tokens(dape["image"]))
    texts = [tagger.tags.found(each) for each in logits]
    assert texts == tiny["tags_of"][variant]
    for text, targets in zip(texts, dape[f"{variant}.targets"], strict=True):
        assert text == ", ".join(tiny["tags"][index] for index in targets.nonzero().flatten())


def test_stages_agree_with_the_authors(dape, taggers, close):
    network, outputs = taggers["published"].network, {}

    def record(label):
        return lambda _module, _inputs, output: outputs.update({label: output})

    swin = network.visual_encoder
    stages = {"swin.patch_embed": swin.patch_embed}
    # The authors count a merge with the stage before it.
    stages |= {f"swin.layer{index}": swin.layers[index + 1].downsample for index in range(3)}
    stages |= {"swin.layer3": swin.layers[3]}
    head = network.tagging_head["encoder"]["layer"]
    stages |= {f"head.layer{index}": layer for index, layer in enumerate(head)}
    handles = [module.register_forward_hook(record(label)) for label, module in stages.items()]
    network(network.tokens(dape["image"]))
    for handle in handles:
        handle.remove()
    for label, output in outputs.items():
        cells = output[:1].flatten(1, 2) if output.dim() == 4 else output[:1]
        close(cells, dape[f"published.{label}"], 1e-5)
    assert len(outputs) == 7


@pytest.mark.parametrize("side", [24, 64])
def test_images_are_resized_as_by_the_authors(dape, close, side):
    image = dape["pre.image_u8"].permute(2, 0, 1)[None] / 255
    close(prepared(image, side), dape[f"pre.resize{side}.antialias_false"], 1e-5)


def test_call_prepares_the_image_and_decides(dape, taggers):
    tagger = taggers["published"]
    image = dape["pre.image_u8"].permute(2, 0, 1)[None] / 255
    tagged = tagger(image)
    assert torch.equal(tagged.tokens, tagger.network.tokens(prepared(image, 128)))
    assert tagged.text == tagger.tags.found(tagger.network(tagged.tokens)[0])
    assert tagged.tokens.shape == (1, 17, 512)
    assert not tagged.tokens.requires_grad
    assert tagger(image.double()).tokens.dtype == torch.float32


def test_parameters_have_the_published_number(dape):
    network, wanted = create(FULL, hollow=True), dape.config["parameters"]
    for name in ("visual_encoder", "tagging_head", "fc", "wordvec_proj", "image_proj"):
        counts = [parameter.numel() for parameter in network.get_submodule(name).parameters()]
        assert sum(counts) == wanted[name], name
    assert network.label_embed.numel() == wanted["label_embed"]


def test_networks_are_frozen_and_evaluate(taggers):
    for tagger in (*taggers.values(), random_tagger(TINY)):
        assert not any(each.requires_grad for each in tagger.network.parameters())
        assert not any(module.training for module in tagger.network.modules())
        assert {each.dtype for each in tagger.network.parameters()} == {torch.float32}
        assert tagger.networks == {"tagger": tagger.network}
        assert tagger.to("cpu") is tagger


def test_random_tagger_is_always_the_same_and_finds_tags():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    image = torch.linspace(0, 1, 3 * 40 * 50).view(1, 3, 40, 50)
    first, second = (random_tagger(TINY)(image) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert first.text.startswith("tag00")
    assert first.text == second.text
    assert torch.equal(first.tokens, second.tokens)
    assert first.tokens.shape == (1, 5, 512)


def test_hollow_tagger_reads_nothing_and_gives_shapes(tmp_path):
    absent = tmp_path / "absent"
    tagger = read_tagger(absent, absent, absent, absent, hollow=True)
    assert all(each.is_meta for each in tagger.network.parameters())
    text, tokens = tagger(torch.empty(1, 3, 100, 130, device="meta"))
    assert text == ""
    assert tokens.is_meta
    assert tokens.shape == (1, 145, 512)


def test_a_tag_must_exceed_its_threshold():
    tags = Tags(("at", "above", "below", "never"), (0.5, 0.5, 0.5, 1.0))
    assert tags.found(torch.tensor([0.0, 1e-3, -1e-3, 100.0])) == "above"
    # The float32 value of 0.8 exceeds that of double precision, but thresholds are float32, too.
    at = torch.tensor([0.8]).logit()
    assert at.sigmoid().item() == torch.tensor(0.8).item() > 0.8
    assert Tags(("at",), (0.8,)).found(at) == ""


def test_thresholds_are_those_of_the_authors(dape, lists):
    tags = read_tags(*lists, 48)
    assert torch.equal(torch.tensor(tags.thresholds), dape["class_threshold"])
    assert list(tags.names) == dape.config["tiny"]["tags"]


def test_placeholders_name_every_tag():
    assert placeholders(3) == Tags(("tag0000", "tag0001", "tag0002"), (0.65,) * 3)


def test_tags_are_read_with_any_line_ends_and_kept_as_they_are(tmp_path):
    names, thresholds = tmp_path / "names.txt", tmp_path / "thresholds.txt"
    names.write_bytes("3D CG rendering\r\ncafé\u2028bar\r\n zoo".encode())
    thresholds.write_bytes(b"0.65\r\n0.8\r\n1\r\n")
    tags = read_tags(names, thresholds, 3)
    assert tags.names == ("3D CG rendering", "café\u2028bar", " zoo")
    assert tags.thresholds == (0.65, 0.8, 1.0)


@pytest.mark.parametrize(
    ("names", "thresholds", "message"),
    [
        (b"a\nb\nc", b"0.5\n0.5\n", "names.txt has 3 lines, but the tagger has 2 tags"),
        (b"a\nb\n\n", b"0.5\n0.5\n", "names.txt has 3 lines"),
        (b"a\nb", b"0.5\n", "thresholds.txt has 1 lines"),
        (b"a\n\n", b"0.5\n0.5\n", "names.txt names no tag in line 2"),
        (b"a\nb", b"0.5\nhigh\n", "thresholds.txt has 'high' in line 2"),
        (b"a\nb", b"nan\n0.5\n", "thresholds.txt has 'nan' in line 1"),
        (b"a\nb", b"0.5\n1.5\n", "thresholds.txt has '1.5' in line 2"),
        (b"a\n\xff", b"0.5\n0.5\n", "names.txt is not a text file"),
        (b"a\nb", None, "There is no .*thresholds.txt"),
    ],
)
def test_faulty_lists_are_refused(tmp_path, names, thresholds, message):
    files = tmp_path / "names.txt", tmp_path / "thresholds.txt"
    for file, content in zip(files, (names, thresholds), strict=True):
        if content is not None:
            file.write_bytes(content)
    with pytest.raises(WeightsError, match=message) as error:
        read_tags(*files, 2)
    assert error.value.hint


def test_published_lists_are_those_of_the_facts(dape):
    for file, key in ((published.TAG_LIST, "tags"), (published.TAG_THRESHOLDS, "thresholds")):
        facts = dape.config[key]
        assert file.sha256 == facts["sha256"]
        assert facts["file"].endswith(file.name)
        assert file.sources[0].urls[0].endswith(facts["file"])
