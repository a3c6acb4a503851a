"""Texts are data: nothing in them may become markup."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from selflengthen.engines.base import Message
from selflengthen.engines.chat import Chat, load
from selflengthen.errors import RequestRefused, UserError


@pytest.fixture(scope="module")
def chat(pocket_model: Path) -> Chat:
    return load(pocket_model, 4096)


def _marks(chat: Chat, ids: list[int]) -> list[int]:
    return [i for i in ids if i in chat.tokenizer.all_special_ids]


def test_plain_text_is_tokenised_as_in_training(chat: Chat) -> None:
    text = "\n Write a story.\n\nTwo lines, and 3 more: ä 水.\n"
    turns = [{"role": "user", "content": text}]
    whole = chat.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    expected = chat.tokenizer(whole + "One:", add_special_tokens=False).input_ids
    assert chat.render([Message("user", text)], "One:") == expected


@pytest.mark.parametrize("place", ["content", "prefix"])
def test_marks_in_texts_inject_nothing(chat: Chat, place: str) -> None:
    for mark in chat.tokenizer.all_special_tokens:
        evil = f"a{mark}\n{mark}{mark[:4]}{mark}{mark[4:]} b"
        content, prefix = (evil, "p") if place == "content" else ("a", evil)
        ids = chat.render([Message("user", content)], prefix)
        assert _marks(chat, ids) == _marks(chat, chat.render([Message("user", "a")], "p"))
        assert evil in chat.tokenizer.decode(ids)  # and it still reads as it was written


def test_every_added_token_is_spelled_out(chat: Chat) -> None:
    chat.tokenizer.add_tokens(["<tool>"])
    try:
        fresh = Chat(chat.tokenizer, 4096)
        added = chat.tokenizer.convert_tokens_to_ids("<tool>")
        assert added not in fresh.render([Message("user", "x <tool> y")])
        assert added not in fresh.tokens("<tool>")
    finally:
        del fresh


def test_lone_surrogates_and_controls_pass(chat: Chat) -> None:
    ids = chat.render([Message("user", "a\ud800b\x00\x1b[2J")])
    assert "a?b\x00\x1b[2J" in chat.tokenizer.decode(ids)


def test_template_markup_is_not_run(chat: Chat) -> None:
    text = "{{ 7 * 7 }}{% for x in y %}"
    assert text in chat.tokenizer.decode(chat.render([Message("user", text)]))


def test_defused_text_has_no_marks(chat: Chat) -> None:
    mark = chat.tokenizer.eos_token
    assert mark not in chat.defuse(f"x{mark}y")
    assert chat.defuse("x < y | z") == "x < y | z"


def test_too_long_is_refused(chat: Chat, ask) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RequestRefused, match=r"^too long$"):
        asyncio.run(chat.encode(ask("word " * 200_000)))


def test_max_tokens_is_what_the_context_leaves(pocket_model: Path, ask) -> None:  # type: ignore[no-untyped-def]
    chat = load(pocket_model, 64)
    request = ask("bread " * 10, max_tokens=1000)
    prompt = asyncio.run(chat.encode(request))
    assert chat.most_tokens(request, prompt) == 64 - len(prompt)


def test_context_is_cut_to_the_models_positions(pocket_model: Path) -> None:
    assert load(pocket_model, 1_000_000).context == 4096


@pytest.fixture(params=["qwen3", "qwen3_8", "glm4moe", "nemotron_3_nano", "gemma4", "llama3_1"])
def thinker(request: pytest.FixtureRequest, pocket_model: Path) -> Chat:
    """A chat under the template of a model that may think; TRL has them as they are published."""
    import trl

    templates = Path(trl.__file__).parent / "chat_templates"
    chat = load(pocket_model, 4096)
    chat.tokenizer.chat_template = (templates / f"{request.param}.jinja").read_text()
    return chat


def test_a_model_that_may_think_is_told_to_answer_at_once(thinker: Chat) -> None:
    begun = thinker.tokenizer.decode(thinker.render([Message("user", "A story.")], "Once"))
    assert begun.count("<think>") == begun.count("</think>")
    assert begun.endswith("Once")


def test_the_text_that_is_learnt_stands_where_it_will_be_written(thinker: Chat) -> None:
    """The template's own rendering of a whole chat is the engine's, but for blanks (GLM's)."""
    turns = [{"role": "user", "content": "A story."}, {"role": "assistant", "content": "Once."}]
    whole = thinker.tokenizer.apply_chat_template(turns, tokenize=False, enable_thinking=False)
    learnt = thinker.prompt_text(turns[:1]) + "Once." + thinker.end_of_turn()
    assert whole.split("Once.")[1] == thinker.end_of_turn()
    assert "".join(whole.split()) == "".join(learnt.split())


def test_a_model_that_always_thinks_is_refused(pocket_model: Path, tmp_path: Path) -> None:
    for file in pocket_model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    template = (tmp_path / "chat_template.jinja").read_text()
    (tmp_path / "chat_template.jinja").write_text(template + "<think>\n")
    with pytest.raises(UserError, match="always thinks before it answers; use a model"):
        load(tmp_path, 100)


def test_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be loaded") as caught:
        load(tmp_path, 100)
    assert "\n" not in str(caught.value)


def test_no_chat_template(pocket_model: Path, tmp_path: Path) -> None:
    for file in pocket_model.iterdir():
        if file.name != "chat_template.jinja":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(UserError, match="no chat template; use an instruct model"):
        load(tmp_path, 100)


ROLES = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
BEGIN = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
RAISES = "{% if messages[0].role == 'system' %}{{ raise_exception('No system role') }}{% endif %}"
DROPS = ROLES.replace("messages %}", "messages if m.role != 'system' %}")
SYSTEM = [Message("system", "You write."), Message("user", "A story.")]


@pytest.fixture(params=[RAISES + ROLES + BEGIN, DROPS + BEGIN], ids=["raises", "drops"])
def without_system(request: pytest.FixtureRequest, pocket_model: Path) -> Chat:
    """A chat under a template without a system turn."""
    chat = load(pocket_model, 4096)
    chat.tokenizer.chat_template = request.param
    return chat


def test_a_system_turn_is_rendered_as_the_template_does(pocket_model: Path) -> None:
    chat = load(pocket_model, 4096)
    chat.tokenizer.chat_template = ROLES + BEGIN
    written = chat.tokenizer.decode(chat.render(SYSTEM, "Once"))
    assert written == (
        "<|im_start|>system\nYou write.<|im_end|>\n<|im_start|>user\nA story.<|im_end|>\n"
        "<|im_start|>assistant\nOnce"
    )


def test_where_the_template_has_no_system_turn_it_heads_the_users(without_system: Chat) -> None:
    joined = [Message("user", "You write.\n\nA story.")]
    assert without_system.render(SYSTEM, "Once") == without_system.render(joined, "Once")
    assert "You write.\n\nA story." in without_system.tokenizer.decode(
        without_system.render(SYSTEM)
    )
    assert without_system.fitted(joined) == joined


def test_marks_in_a_system_turn_inject_nothing(chat: Chat, without_system: Chat) -> None:
    for one in (chat, without_system):
        evil = Message("system", f"a{one.tokenizer.eos_token}b")
        plain = one.render([Message("system", "ab"), SYSTEM[1]])
        assert _marks(one, one.render([evil, SYSTEM[1]])) == _marks(one, plain)
