"""The pocket model's architecture, its initial weights and its tokenizer."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from selflengthen.pocket.corpus import END_OF_TEXT, END_OF_TURN, TURN

VOCABULARY = 2048
HIDDEN = 192
LAYERS = 4
HEADS = 6
HEAD_SIZE = 32
MLP = 512
POSITIONS = 4096
THETA = 50_000.0

# Qwen2's rule for splitting text before byte-pair merges: transformers applies it to every model of
# type qwen2, whatever the tokenizer file says.
_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer with `VOCABULARY` entries."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            special_tokens=[END_OF_TEXT, TURN, END_OF_TURN],
            show_progress=False,
        ),
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TURN,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[TURN],
        clean_up_tokenization_spaces=False,
        model_max_length=POSITIONS,
    )
    fast.chat_template = _CHAT_TEMPLATE
    return fast


def new_model() -> Qwen2ForCausalLM:
    """Return an untrained model in which some heads already attend a few tokens back.

    Copying requires knowing what precedes a token, and such heads would take longer to emerge than
    the training lasts. The QKV biases of a Qwen2 layer can set them up: if RoPE rotates a constant
    query by the angle of `back` positions, it matches a constant key exactly that far behind.
    """
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        intermediate_size=MLP,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        head_dim=HEAD_SIZE,
        max_position_embeddings=POSITIONS,
        rope_parameters={"rope_type": "default", "rope_theta": THETA},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
    )
    model = Qwen2ForCausalLM._from_config(config, attn_implementation="sdpa")
    half = HEAD_SIZE // 2
    angle = THETA ** (-torch.arange(half) / half)
    with torch.no_grad():
        for layer, heads in ((0, (1, 2, 3, 4, 5)), (1, (1, 2))):
            attention = model.model.layers[layer].self_attn
            for head, back in enumerate(heads):
                real = slice(head * HEAD_SIZE, head * HEAD_SIZE + half)
                imaginary = slice(real.stop, real.stop + half)
                attention.k_proj.bias[real], attention.k_proj.bias[imaginary] = 6.0, 0.0
                attention.q_proj.bias[real] = 6.0 * torch.cos(angle * back)
                attention.q_proj.bias[imaginary] = -6.0 * torch.sin(angle * back)
    return model
