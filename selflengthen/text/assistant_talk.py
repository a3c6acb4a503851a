"""A chat assistant's talk in place of the text: "I'd be happy to help!", "What brings you here?".

Some sentences only an assistant says. Others a person may say as well: they count in a short text,
where an offer or a question to the reader comes with another of them. In a text that greets
somebody (a letter, a mail, a speech) offers of help, thanks and congratulations belong to the
text: there, only what names the chat itself counts.
"""

from __future__ import annotations

import re

from selflengthen.text.spots import Spots, spots

_TEXT = (
    r"(?:story|essay|poem|article|text|piece|letter|speech|report|script|outline|draft|novel"
    r"|chapter|paragraphs?|recipe|guide|response|version|example|sample|e-?mail|message|post"
    r"|review|summary|list|dialogue|conversation|proposal|blog|document|writing|project|request"
    r"|question)"
)
_HELP = (
    r"(?:help|assist|support|guide|provide|offer|give you|answer|collaborate|brainstorm|chat"
    r"|discuss)"
)
_GOOD = (
    r"(?:great|good|wonderful|fantastic|excellent|amazing|awesome|interesting|lovely|brilliant"
    r"|nice|exciting|fascinating|beautiful|perfect|terrific|thoughtful|delightful)"
)
_GLAD = (
    r"(?:so |very |really |truly |absolutely |more than )?(?:glad|happy|thrilled|excited|delighted"
    r"|pleased|honou?red|eager|sorry|ready|flattered|grateful)"
)
_REQUEST = r"(?:request|prompt|specifications|requirements|instructions|input|question|criteria)"
# Said to readers of a page, not in a chat.
_NOT_PUBLIC = r"(?!.*\b(?:comments?|below|e-?mail|call|phone|visit|contact)\b)"
_ANYTHING = (
    r"(?:questions|anything|any (?:other |further |more |specific |additional )*(?:questions|help"
    r"|assistance|concerns|changes|details|topics?|ideas|requests|preferences))"
)

# What names the chat itself, where a sentence or a paragraph begins; also in letters and speeches.
_CHAT = (
    r"(?:here(?:'s| is)|below is|the following is"
    rf"|this is) .{{0,60}}\b{_TEXT}\b.{{0,40}}\b(?:based on your|you(?:'ve| have)? (?:requested"
    rf"|asked for)|(?:per|to|for|on|with) your {_REQUEST})",
    r"(?:based on|according to|per|as per|given) your (?:\w+ )?(?:request|prompt|instructions"
    r"|input),",
    r"i(?:'m| am) (?:just )?here to (?:help|assist|answer|chat|provide"
    rf"|support)\b.{{0,60}}\byour? (?:with )?(?:(?:\w+ ){{0,4}}(?:{_TEXT}|writing|tasks?|ideas?"
    r"|needs?|endeavou?rs|creative|endeavors))",
    r"i(?:'m| am) (?:chatgpt|gpt|smol\w*|claude|qwen|gemini|llama\b|bard|a (?:helpful )?(?:ai|chat"
    r"|virtual|language|writing) ?(?:assistant|bot|model))",
    r"(?:my name is|this is|i am|i'm|cheers,?|regards,?|sincerely,?|yours,?) smol\w*",
    r"我是(?:由[^。，]{1,12}(?:开发|训练)的)?(?:一个|一名|一款|您的|你的)?(?:ai|人工智能|智能|虚拟"
    r"|写作|语言)(?:写作)?(?:助手|助理|模型|机器人)",
    r"(?:根据|按照|应)[您你]的(?:要求|请求|需求|指令)[，,]?(?:我|以下|下面|这里|为[您你])",
)
# What only an assistant says to a user, where a sentence begins.
_TO_USER = (
    rf"(?:and |but |so |well,? |hello[!,.]? |hi[!,.]? )?i(?:'d| would) (?:be )?(?:{_GLAD}"
    rf"|love) to (?:{_HELP}|hear more about your|create|write (?:a|an|this|that|your|you)|expand"
    r"|revise|rewrite)",
    rf"(?:.{{0,60}}? and )?i(?:'m| am)(?: always| just| also)? (?:{_GLAD}|here) (?:to"
    r"|for) (?:assist|help (?:with|you (?:with|find|create|write|craft|in any|refine|edit|explore"
    r"|develop))|(?:chat|collaborate|brainstorm|discuss|share ideas)\b|provide you|offer (?:you"
    r"|guidance)|answer (?:any|your)|begin our)",
    r"i(?:'ll| will) (?:do|try) my best to (?:assist|help|provide|create|answer|tailor|give you)",
    r"i(?:'ll| will| can|'d be able to) (?:also )?(?:gladly |certainly |definitely "
    r"|happily )?(?:assist you|provide you with|help you (?:write|edit|revise|refine|brainstorm"
    r"|craft))",
    r"i can (?:also )?(?:provide|offer|suggest|tailor|give you) (?:\w+ )?(?:guidance|feedback"
    r"|suggestions|assistance|my responses|ideas)",
    r"(?:so,? |now,? )?(?:how|what) (?:can|may|could) i (?:help|assist|do for) you\b[^.!]*\?",
    r"(?:so,? |now,? )?what (?:brings you (?:here|to)|would you like (?:me|to (?:know|talk|discuss"
    r"|explore|write|chat))|can i (?:help|assist|do for)|(?:kind|type"
    r"|sort) of (?:\w+ )?(?:assistance|help|project|text|story|writing|topic|book|festival|event"
    r"|article)s? (?:do|are|would|did) you)\b[^.!]*\?",
    r"(?:so,? )?what(?:'s| is) (?:on your mind|your (?:query|question|project|request|topic|idea"
    r"|business))\b[^.!]*\?",
    r"(?:could|can|would|will) you (?:please |kindly |also )?(?:tell me|share|provide|give me"
    r"|clarify|specify|let me know|elaborate)\b.{0,70}?\b(?:more|details?|a bit|context"
    r"|specific)\b[^.!]*\?",
    r"(?:is|are) there (?:anything|something|any|a) (?:\w+ )?(?:else|specific|particular|aspects?"
    r"|topics?)\b[^.!]*\byou(?:'d| would|'re| need| want| are)\b[^.!]*\?",
    r"would you like (?:me )?to (?:explore|discuss|share|continue|expand|write|revise)\b[^.!]*\?",
    r"do you have (?:any |a )(?:specific|particular)\b[^.!]*\?",
    r"(?:please |kindly |so,? )+(?:go ahead and )?(?:provide|share|tell me|specify|paste|upload"
    r"|send me|give me|clarify|proceed with)\b.{0,50}\b(?:your (?:\w+ )?|more |what |which "
    rf"|the )(?:{_TEXT}|query|topic|details?|information|context|you(?:'d| would| are|'re| need"
    r"| want))\b",
    r"(?:let's|let us) (?:chat|brainstorm|discuss (?:how we|your)|start brainstorm)",
    r"(?:if|should|when|whenever|in case) (?:you|there)\b.{0,110}?\b(?:i(?:'m| am|'ll be|'d be"
    rf"| will be| would be) (?:always |here|{_GLAD})|i(?:'ll| will) do my best"
    r"|(?:just )?(?:let me know|feel free to (?:ask|share|let me|tell me)|don't hesitate to ask"
    rf"|just ask|ask away)){_NOT_PUBLIC}",
    r"(?:please |so,? )?(?:feel free|don't hesitate) to (?:ask|tell me|let me know|share (?:more"
    rf"|your|any))\b(?:.{{0,40}}\b(?:{_ANYTHING}|me|more|your|away)\b|\W*$){_NOT_PUBLIC}",
    r"(?:i'm |i am )?sorry for (?:any|the) (?:confusion|misunderstanding)",
    r"(?:my |i )?apologi(?:es|[sz]e) (?:for|if) (?:any|the|my|i|that|there)\b.{0,20}(?:confusion"
    r"|misunderst|previous|oversight|earlier)",
    r"(?:however, |but )?it (?:seems|appears|looks) (?:like |that |as if "
    r"|as though )?(?:i(?: might)?(?:'ve| have)? misunderst|there(?:'s| (?:is|was|has been"
    r"|might be)) (?:a |some |been )*(?:misunderst|confus)|you(?:'ve| have|'re| are"
    r"|r)? (?:\w+ )?(?:message|request|question|might have forgotten|forgot|provided|looking for"
    r"|asking|trying to (?:find|ask|write)))",
    r"(?:thank you|thanks)(?: so much| very much)? for (?:sharing (?:your|this"
    rf"|that) (?:\w+ )?{_TEXT}|providing (?:the|your|this|more)|your (?:question|request|prompt"
    r"|input|draft|essay|story))",
    rf"(?:that's|that is|what) (?:a|an) (?:{_GOOD}|{_GOOD},? {_GOOD}) (?:question|request|topic"
    r"|prompt|choice|initiative)(?:[!.,]? *$|!)",
    rf"{_GOOD} (?:question|choice|prompt)!",
    rf"a {_GOOD} (?:idea|question|choice)!",
    rf"it(?:'s| is) {_GOOD} (?:to hear (?:that you|about your|from you)|that you(?:'re| are|'ve"
    r"| have)\b)",
    rf"i(?:'m| am) {_GLAD} (?:to (?:hear (?:that )?you|(?:see|know) (?:that )?you(?:'re| are|'ve"
    r"| have|r))\b|(?:that )?you(?:'ve| have|'re| are)? (?:\w+ )?(?:liked?|enjoy\w*|found|find"
    r"|asked|interested)|(?:that )?i (?:could|can|was able to) (?:help|assist|be of)"
    r"|my (?:\w+ )?(?:explanation|response|answer|suggestions?|story|text) )",
    r"(?:sure|certainly|absolutely|of course|alright|all right|okay|ok|got it|great|no problem"
    r"|definitely)(?: thing)?[!,.:—-]+ (?:here(?:'s| is| are) (?:a|an|your|some|my|one|another)\b"
    r"|i(?:'ll| will|'d| would| can) (?:be|help|write|provide|create|do my|try to|give you|expand"
    r"|rewrite|assist)|let(?:'s| me) (?:create|write|help|start|explore|brainstorm|provide"
    r"|give you|expand|rewrite|make this))\b",
    rf"here(?:'s| is) (?:a|an|my|your|one|another) (?:[\w'-]+ ){{0,4}}{_TEXT} (?:for you\b"
    r"|that (?:fits|meets|matches|suits) (?:my|your)|to (?:get you started|inspire you)"
    r"|i (?:came up|wrote for|created for)|(?:on|of) how (?:we|you|i) can)",
    r"请[您你]?提供(?:一些)?(?:更多|具体|详细)",
    r"(?:请|您|你)(?:[您你]?(?:能|可以|可否|是否可以))?(?:再|先)?(?:告诉我|提供(?:一下|给我|更多)"
    r"|说明一下|分享(?:一下|更多)|描述一下)[^。！]{0,20}(?:更多|具体|详细|细节|信息|需求|主题"
    r"|要求)",
    r"(?:如果|若|如|要是)[您你]?(?:还|有)[^。！？]{0,24}(?:请?随时|欢迎|尽管)(?:向我|和我|跟我"
    r"|对我)?(?:告诉我|提问|问我|提出)",
    r"(?:请|欢迎)?(?:随时|尽管)(?:告诉我|提问|问我|向我提问)",
    r"(?:我)?(?:很|非常|十分)?(?:高兴|乐意|荣幸|愿意)(?:能|能够|可以)?(?:为|帮助?|协助"
    r"|给)[您你](?:服务|效劳|提供|解答|写|创作|撰写|[^。！？]{0,10}(?:帮助|服务))",
    r"(?:请问)?(?:还?有什么|有哪些)(?:其他)?(?:问题|事情|需要|内容|方面)?[^。！]{0,8}我(?:可以|能"
    r"|帮)[^。！]{0,8}[您你][^。！]{0,8}(?:[吗呢的]|？|\?)",
    r"我(?:可以|能|会|将)(?:尽力|尽我所能)?(?:帮助|协助|帮|为|给)[您你][^。！？]{0,10}(?:提供|撰写"
    r"|创作|解答|修改|构思|润色)",
    r"(?:非常|十分|很)?(?:感谢|谢谢)[您你]的?(?:提问|输入|请求|指令)",
    r"(?:这是一个|真是个?|这个)(?:很好|非常好|很棒|极好|绝佳|有趣|很有趣|好)的?(?:问题|主题|题目"
    r"|选择)[！!，,。]",
    r"(?:很|非常|真)?(?:高兴|开心)(?:听到|看到|知道)[您你]",
    r"(?:好的|当然|没问题|可以)[，,！!。]+(?:我(?:来|会|将|可以|很乐意)|让我|请)(?:为[您你]"
    r"|帮[您你]|给[您你]|尽力|告诉我|提供|写)",
    r"[您你](?:想要?|希望|需要)我(?:写|了解|讨论|聊|创作|修改|继续|提供|帮)[^。！]{0,20}[？?吗呢]",
)
# What a person may say as well: an offer or a question, and what goes along with one.
_OFFERS = (
    r"(?:just |please )?let me know (?:what|how|if|which|when|your|more)\b",
    r"feel free to\b",
    r"if you (?:have|need|want|'d like|would like)\b.{0,80}\b(?:feel free|help|assist)",
    r"i(?:'m| am| can| will|'ll)(?: always| be)? (?:here|happy|ready|glad|able)? ?(?:to )?help\b",
    r"(?:what(?:'s)?|how|which|do|are|would|have|is|can|could) (?:\w+ ){0,6}you(?:r|'d"
    r"|'re)?\b[^.!]*\?",
    r"[^。！]{0,30}[您你][^。！]{0,30}[？?吗呢]\W*$",
    r"[^。！？]{0,12}(?:告诉我|帮助[您你]|帮[您你])",
)
_COMPANY = (
    rf"i(?:'m| am) {_GLAD} (?:to|you|that you)\b",
    r"congratulations\b",
    rf"(?:that's|that is|that sounds|sounds) (?:like )?(?:a |an )?{_GOOD}\b",
    rf"(?:a )?{_GOOD}(?: idea)?!",
    r"(?:thank you|thanks)\b",
    r"(?:i )?hope (?:this|that|it|these|you)\b",
    r"(?:i )?look(?:ing)? forward to (?:hearing|helping|working|seeing)",
    r"(?:haha|alright|okay|ok|sure|awesome|of course|absolutely|hello|hi)\b",
    r"(?:希望|感谢|谢谢|好的|当然|很高兴|您好|你好)",
)
_CHAT_TALK, _USER_TALK, _OFFER, _ALONG = (
    re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
    for patterns in (_CHAT, _TO_USER, _OFFERS, _COMPANY)
)
_SIGNED = re.compile(
    r"(?:your |an? )?(?:friendly |helpful )?(?:ai|virtual|digital|writing|language"
    r"|chat) ?(?:writing |language )?(?:assistant|model|bot|companion)\W*$|smol\w*\W*$|(?:chatgpt"
    r"|gpt-\d)\W*$|(?:您|你)的(?:ai|人工智能|智能|虚拟|写作)助[手理]\W*$"
)


def is_assistant_talk(text: str) -> bool:
    """Say whether a text is, or begins, ends or is broken by, an assistant's talk with its user."""
    read = spots(text)
    if any(_CHAT_TALK.match(s) for s in (*read.openings, *read.first, *read.last)):
        return True
    if _SIGNED.match(read.closing):
        return True
    return not read.addressed and _talks_to_user(read)


def _talks_to_user(read: Spots) -> bool:
    edges = dict.fromkeys((*read.first, *read.last))
    if any(_USER_TALK.match(sentence) for sentence in edges):
        return True
    if not read.short:
        return False
    offers = [sentence for sentence in edges if _OFFER.match(sentence)]
    along = [sentence for sentence in edges if sentence not in offers and _ALONG.match(sentence)]
    questions = sum(sentence[-1] in "?？" for sentence in offers)
    # Questions alone are rhetoric.
    return bool(offers) and len(offers) + len(along) > max(1, questions)
