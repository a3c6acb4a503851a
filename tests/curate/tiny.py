"""Models of a few thousand weights, of the architectures that indicators load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    GPTNeoXForSequenceClassification,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

MARKS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "</s>"]
WORDS = (
    "Yes No the a dog cat ran slept old new house in over and it was not long short text write "
    "question : Is this natural response dialogue ? coherent given history an understandable"
).split()
SIZE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
SIZE |= {"intermediate_size": 32}


def tokenizer(folder: Path, *, closing: str = "", reads: int = 64, pad: bool = True) -> None:
    """Save a tokenizer of whole words; `closing` is a template for the marks around texts."""
    vocabulary = {word: index for index, word in enumerate([*MARKS, *WORDS])}
    whole_words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    whole_words.pre_tokenizer = pre_tokenizers.Whitespace()
    if closing:
        marks = [(mark, vocabulary[mark]) for mark in MARKS]
        whole_words.post_processor = processors.TemplateProcessing(
            single=f"[CLS] $A {closing}",
            pair=f"[CLS] $A {closing} $B:1 {closing}:1",
            special_tokens=marks,
        )
    PreTrainedTokenizerFast(
        tokenizer_object=whole_words,
        pad_token="[PAD]" if pad else None,
        cls_token="[CLS]",
        sep_token="[SEP]",
        unk_token="[UNK]",
        eos_token="</s>",
        model_max_length=reads,
    ).save_pretrained(folder)


def save(model: Any, folder: Path) -> Path:
    """Draw weights large enough to tell texts apart, and save the model."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.4, generator=generator)
    model.save_pretrained(folder)
    return folder


def reward(folder: Path, labels: int = 1) -> Path:
    """Make a DeBERTa with a head of one score."""
    tokenizer(folder, closing="[SEP]")
    config = DebertaV2Config(
        **SIZE,
        vocab_size=64,
        num_labels=labels,
        pad_token_id=0,
        max_position_embeddings=64,
        type_vocab_size=2,
    )
    return save(DebertaV2ForSequenceClassification(config), folder)


def unieval(folder: Path) -> Path:
    """Make a T5."""
    tokenizer(folder)
    config = T5Config(
        vocab_size=64,
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        pad_token_id=0,
        eos_token_id=4,
        decoder_start_token_id=0,
    )
    return save(T5ForConditionalGeneration(config), folder)


def embedder(folder: Path) -> Path:
    """Make a BERT."""
    tokenizer(folder, closing="[SEP]")
    return save(BertModel(BertConfig(**SIZE, vocab_size=64, max_position_embeddings=64)), folder)


def language_model(folder: Path) -> Path:
    """Make a GPT-NeoX that reads 600 tokens, more than are scored at once."""
    tokenizer(folder, reads=600)
    config = GPTNeoXConfig(
        **SIZE, vocab_size=64, max_position_embeddings=600, use_parallel_residual=False
    )
    return save(GPTNeoXForCausalLM(config), folder)


def language_reward(folder: Path) -> Path:
    """Make a GPT-NeoX with a head of one score, and no token for padding."""
    tokenizer(folder, pad=False)
    config = GPTNeoXConfig(
        **SIZE,
        vocab_size=64,
        max_position_embeddings=64,
        use_parallel_residual=False,
        num_labels=1,
    )
    return save(GPTNeoXForSequenceClassification(config), folder)
