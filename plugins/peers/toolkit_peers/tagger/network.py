"""The network of RAM (Recognize Anything) that names what an image shows.

Source: Zhang et al., Recognize Anything: A Strong Image Tagging Model, 2023.

Modules have the names of the published checkpoint, except that timm counts the downsampling layers
of its Swin transformer from the stage they lead to.

Shapes: B images, T = 1 + (side / 32)² image tokens, N tags.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LAYER_NORM_EPS = 1e-12


@dataclass(frozen=True, kw_only=True)
class TaggerConfig:
    """Sizes of the tagger.

    Attributes:
        tags: Number of tags.
        image_size: Side of the square it sees, in pixels.
        embed_dim: Width of the first stage of the backbone, which doubles at each further one.
        depths: Blocks per stage.
        backbone_heads: Attention heads per stage.
        window_size: Side of an attention window, in patches of 4 pixels.
        token_width: Width of the image tokens, and of the tags' embeddings.
        hidden_size: Width of the head.
        head_layers: Layers of the head.
        attention_heads: Attention heads per layer of the head.
        intermediate_size: Hidden width of the head's perceptrons.
        text_layers: Layers of the two text networks with which RAM was trained. Tags do not need
            them, but DAPE's file has updates for them.
        text_width: Their width.
    """

    tags: int
    image_size: int
    embed_dim: int
    depths: tuple[int, ...]
    backbone_heads: tuple[int, ...]
    window_size: int
    token_width: int = 512
    hidden_size: int
    head_layers: int = 2
    attention_heads: int = 4
    intermediate_size: int
    text_layers: int
    text_width: int

    @property
    def backbone_width(self) -> int:
        """Width of the backbone's features."""
        return self.embed_dim << (len(self.depths) - 1)


FULL = TaggerConfig(
    tags=4585,
    image_size=384,
    embed_dim=192,
    depths=(2, 2, 18, 2),
    backbone_heads=(6, 12, 24, 48),
    window_size=12,
    hidden_size=768,
    intermediate_size=3072,
    text_layers=12,
    text_width=768,
)
"""RAM with Swin-L, as published."""

TINY = TaggerConfig(
    tags=16,
    image_size=64,
    embed_dim=8,
    depths=(2, 1, 1, 1),
    backbone_heads=(1, 2, 4, 8),
    window_size=2,
    hidden_size=16,
    intermediate_size=32,
    text_layers=1,
    text_width=16,
)
"""For tests: few weights, and the published width of the image tokens."""


class TaggerNetwork(nn.Module):
    """Images to image tokens, and these to one logit per tag.

    Args:
        config: Sizes.
    """

    def __init__(self, config: TaggerConfig) -> None:
        from timm.models.swin_transformer import SwinTransformer

        super().__init__()
        self.visual_encoder: nn.Module = SwinTransformer(
            img_size=config.image_size,
            patch_size=4,
            num_classes=0,
            global_pool="",
            embed_dim=config.embed_dim,
            depths=config.depths,
            num_heads=config.backbone_heads,
            window_size=config.window_size,
            drop_path_rate=0.0,
        )
        self.image_proj = nn.Linear(config.backbone_width, config.token_width)
        self.label_embed = nn.Parameter(torch.randn(config.tags, config.token_width))
        self.wordvec_proj = nn.Linear(config.token_width, config.hidden_size)
        layers = (_HeadLayer(config) for _ in range(config.head_layers))
        self.tagging_head = nn.ModuleDict(
            {"encoder": nn.ModuleDict({"layer": nn.ModuleList(layers)})}
        )
        self.fc = nn.Linear(config.hidden_size, 1)

    def features(self, images: Tensor) -> Tensor:
        """The backbone's features after their mean.

        Args:
            images: Normalised images `[B, 3, side, side]`.

        Returns:
            `[B, T, backbone_width]`, row by row.
        """
        cells = self.visual_encoder(images).flatten(1, 2)
        return torch.cat([cells.mean(1, keepdim=True), cells], dim=1)

    def tokens(self, images: Tensor) -> Tensor:
        """Image tokens `[B, T, token_width]` of normalised images `[B, 3, side, side]`."""
        projected: Tensor = self.image_proj(self.features(images))
        return projected

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits `[B, N]` of all tags for image tokens `[B, T, token_width]`."""
        queries = F.relu(self.wordvec_proj(self.label_embed)).expand(len(tokens), -1, -1)
        for layer in self.tagging_head.get_submodule("encoder.layer").children():
            queries = layer(queries, tokens)
        logits: Tensor = self.fc(queries).squeeze(-1)
        return logits


class _HeadLayer(nn.Module):
    """A layer of BERT without self-attention: tags look at the image, not at each other."""

    def __init__(self, config: TaggerConfig) -> None:
        super().__init__()
        width, hidden = config.hidden_size, config.intermediate_size
        self.crossattention = nn.ModuleDict(
            {
                "self": _CrossAttention(width, config.token_width, config.attention_heads),
                "output": _Output(width, width),
            }
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, hidden)})
        self.output = _Output(hidden, width)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """New queries `[B, N, hidden_size]`."""
        seen = self.crossattention["self"](queries, tokens)
        attended = self.crossattention["output"](seen, queries)
        mixed: Tensor = self.output(F.gelu(self.intermediate["dense"](attended)), attended)
        return mixed


class _CrossAttention(nn.Module):
    def __init__(self, width: int, token_width: int, heads: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(token_width, width)
        self.value = nn.Linear(token_width, width)
        self._heads = heads

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        projected = self.query(queries), self.key(tokens), self.value(tokens)
        # [B, length, width] -> [B, heads, length, width / heads]
        query, key, value = (x.unflatten(-1, (self._heads, -1)).transpose(1, 2) for x in projected)
        attended = F.scaled_dot_product_attention(query, key, value)
        return attended.transpose(1, 2).flatten(2)


class _Output(nn.Module):
    """Adds a linear map to its residual, then normalises."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width_in, width)
        self.LayerNorm = nn.LayerNorm(width, eps=_LAYER_NORM_EPS)

    def forward(self, hidden: Tensor, residual: Tensor) -> Tensor:
        normalised: Tensor = self.LayerNorm(self.dense(hidden) + residual)
        return normalised


def create(config: TaggerConfig, *, hollow: bool = False) -> TaggerNetwork:
    """Creates the network with random weights, always the same, or on the meta device if hollow."""
    if hollow:
        with torch.device("meta"):
            network = TaggerNetwork(config)
    else:
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            torch.default_generator.manual_seed(0)  # does not affect GPU generators
            network = TaggerNetwork(config)
            # Spread, so that some tags are found.
            nn.init.normal_(network.fc.weight)
    return network.requires_grad_(requires_grad=False).eval()
