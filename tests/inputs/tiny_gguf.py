"""A made-up llama with random weights and a small tokenizer, written by the gguf package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message['role'] }}\n{{ message['content'] }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
HIDDEN, LAYERS, HEADS, INNER = 32, 2, 4, 64
_MARKS = ["<|none|>", "<|start|>", "<|end|>"]


def letters() -> list[str]:
    """Return the 256 letters in which GPT-2's tokenizers write bytes."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return list(bytes_to_unicode().values())


def reference() -> Any:
    """Return the model as transformers has it, in bfloat16's values."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(_MARKS) + 256 + 1,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS // 2,
        intermediate_size=INNER,
        max_position_embeddings=512,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config).to(torch.bfloat16)


def write(
    path: Path,
    *,
    architecture: str = "llama",
    layers: int = LAYERS,
    template: str | None = TEMPLATE,
    parts: int = 1,
    leave_out: str = "",
    vocabulary_only: bool = False,
) -> Path:
    """Write the model; the options spoil it."""
    from gguf import GGUFWriter

    model = reference()
    writer = GGUFWriter(path, architecture)
    writer.add_name("Tiny")
    writer.add_license("apache-2.0")
    writer.add_context_length(512)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS // 2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(model.config.vocab_size)
    tokens = [*_MARKS, *letters(), "he"]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(_MARKS) + [1] * 257)
    writer.add_token_merges(["h e"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_eot_token_id(0)
    if parts > 1:
        writer.add_uint16("split.count", parts)
    if template is not None:
        writer.add_chat_template(template)
    for name, values in ({} if vocabulary_only else _tensors(model)).items():
        if name != leave_out:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors(model: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Return the weights by llama.cpp's names, in its order of rotary halves."""
    state = {name: values.float().numpy() for name, values in model.state_dict().items()}
    tensors = {
        "token_embd.weight": state["model.embed_tokens.weight"],
        "output_norm.weight": state["model.norm.weight"],
    }
    names = {
        "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
    for layer in range(LAYERS):
        for ours, theirs in names.items():
            values = state[f"model.layers.{layer}.{theirs}.weight"]
            heads = {"attn_q": HEADS, "attn_k": HEADS // 2}.get(ours)
            if heads:
                halves = values.reshape(heads, 2, len(values) // heads // 2, HIDDEN)
                values = halves.swapaxes(1, 2).reshape(values.shape)
            tensors[f"blk.{layer}.{ours}.weight"] = np.ascontiguousarray(values)
    return tensors
