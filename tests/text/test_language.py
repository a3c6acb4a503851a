"""Texts in the language that their instruction asks for, and in others, in a dozen languages."""

from __future__ import annotations

import subprocess
import sys

import pytest

from selflengthen.text.checks import language

EN = (
    "The old keeper climbed the stairs of the lighthouse every evening and lit the lamp. "
    "Far below, the fishing boats came home with the tide, and he counted them one by one."
)
ZH = (
    "秋天的傍晚，老人沿着山路慢慢走回村子。路旁的柿子树挂满了果实，远处传来孩子们的笑声。"
    "他停下脚步，想起许多年前离家的那个早晨，母亲站在门口，一直望到他转过山坳。"
)
ZH_HANT = "秋天的傍晚，老人沿著山路慢慢走回村子。路旁的柿子樹掛滿了果實，遠處傳來孩子們的笑聲。"
JA = "秋の夕暮れ、老人は山道をゆっくりと村へ帰っていった。遠くから子どもたちの笑い声が聞こえる。"
KO = (
    "노인은 매일 저녁 등대의 계단을 올라가 등불을 켰다. 멀리 아래에서는 고깃배들이 밀물과 함께 "
    "돌아왔고, 그는 배를 하나씩 세어 보았다."
)
RU = (
    "Старый смотритель каждый вечер поднимался по лестнице маяка и зажигал лампу над морем. "
    "Далеко внизу рыбацкие лодки возвращались с приливом, и он считал их одну за другой."
)
UK = (
    "Старий доглядач щовечора підіймався сходами маяка і запалював лампу над морем. "
    "Далеко внизу рибальські човни поверталися з припливом, і він рахував їх один за одним."
)
FR = (
    "Le vieux gardien montait chaque soir l'escalier du phare et allumait la lampe. En bas, les "
    "bateaux de pêche rentraient avec la marée, et il les comptait un par un jusqu'à la nuit."
)
DE = (
    "Der alte Wärter stieg jeden Abend die Treppe des Leuchtturms hinauf und zündete die Lampe an. "
    "Tief unten kehrten die Fischerboote mit der Flut heim, und er zählte sie alle."
)
ES = (
    "El viejo farero subía cada tarde la escalera del faro y encendía la lámpara. Abajo, los "
    "barcos de pesca volvían con la marea, y él los contaba uno por uno hasta la noche."
)
PT = (
    "O velho faroleiro subia todas as tardes a escada do farol e acendia a lâmpada. Lá embaixo, os "
    "barcos de pesca voltavam com a maré, e ele os contava um por um até a noite."
)
IT = (
    "Il vecchio guardiano saliva ogni sera la scala del faro e accendeva la lampada. Laggiù le "
    "barche da pesca tornavano con la marea, e lui le contava a una a una fino a notte."
)
AR = "كان الحارس العجوز يصعد درج المنارة كل مساء ويشعل المصباح، ثم يعد قوارب الصيد العائدة مع المد."
HI = "बूढ़ा रखवाला हर शाम प्रकाशस्तंभ की सीढ़ियाँ चढ़ता और दीपक जलाता था। नीचे नावें लौट रही थीं।"
VI = "Người gác hải đăng già mỗi buổi chiều leo lên cầu thang và thắp sáng ngọn đèn của mình."

CODE = """```python
def replicas(client, namespace):
    \"\"\"Return the number of replicas of every deployment in a namespace.\"\"\"
    deployments = client.list_namespaced_deployment(namespace=namespace)
    return {item.metadata.name: item.spec.replicas for item in deployments.items}
```
"""
YAML = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: example\nspec:\n  replicas: 3\n"
ZH_TECH = (
    "在 Kubernetes 中，Deployment 控制器管理 ReplicaSet，而 ReplicaSet 维持 Pod 的数量。"
    "用 kubectl apply 提交 YAML 文件，再用 kubectl rollout status 查看进度，"
    "最后用 kubectl get pods 确认每个 Pod 的状态都是 Running。\n\n"
)
KO_TECH = (
    "Kubernetes에서 Deployment 컨트롤러는 ReplicaSet을 관리하고 ReplicaSet은 Pod의 수를 "
    "유지합니다. kubectl apply 명령으로 YAML 파일을 제출하고 kubectl get pods "
    "명령으로 상태를 확인합니다.\n\n"
)
RU_TECH = (
    "В Kubernetes контроллер Deployment управляет ReplicaSet, а ReplicaSet поддерживает число Pod. "
    "Команда kubectl apply отправляет файл YAML, а kubectl get pods показывает состояние.\n\n"
)
JA_TECH = (
    "KubernetesではDeploymentコントローラーがReplicaSetを管理し、ReplicaSetがPodの数を保ちます。"
    "kubectl applyでYAMLファイルを送り、kubectl get podsで状態を確認します。\n\n"
)
LINKS = "".join(
    f"- https://www.example.com/documentation/articles/{n}/overview\n" for n in range(20)
)

FITS = [
    # A long Latin name in a request in another script.
    ("介绍一下 Kubernetes", ZH),
    ("介绍一下 PostgreSQL", ZH),
    ("介绍 Elasticsearch", ZH),
    ("请介绍 TensorFlow", ZH),
    ("如何学习 JavaScript", ZH),
    ("Docker 入门教程", ZH),
    ("React Native 入门", ZH),
    ("谈谈 The Great Gatsby", ZH),
    ("The Lord of the Rings 读后感", ZH),
    ("写一篇 Visual Studio Code 教程", ZH),
    ("写一篇关于 Transformer architecture 的文章", ZH),
    ("详细解释 Retrieval-Augmented Generation", ZH),
    ("什么是 Reinforcement Learning from Human Feedback", ZH),
    ("介紹一下 Kubernetes", ZH_HANT),
    ("Kubernetes를 소개해 주세요", KO),
    ("Visual Studio Code 사용법", KO),
    ("Retrieval-Augmented Generation에 대해 설명해 주세요", KO),
    ("Расскажи про Kubernetes", RU),
    ("Напиши статью про Visual Studio Code", RU),
    ("Что такое Retrieval-Augmented Generation?", RU),
    ("Kubernetesについて説明してください", JA),
    ("Visual Studio Codeの使い方", JA),
    ("Kubernetes के बारे में एक लेख लिखो", HI),
    ("اكتب مقالا عن Kubernetes", AR),
    ("Schreibe über Kubernetes", DE),
    ("Présente Kubernetes", FR),
    ("Escribe sobre Kubernetes", ES),
    ("Tell me about Kubernetes", EN),
    # Code, names of things, and addresses in the text.
    ("介绍一下 Kubernetes", ZH_TECH * 3 + CODE * 4),
    ("写一篇 Kubernetes 部署教程", (ZH_TECH + CODE) * 5),
    ("写一篇 Kubernetes 部署教程", (ZH + "\n\n" + CODE * 3) * 4),
    ("写一篇 Kubernetes 部署教程", f"{ZH}\n\n```yaml\n{YAML * 30}"),
    ("写一篇部署教程", ZH_TECH * 8),
    ("写一个脚本", CODE * 8),
    ("写一篇散文", f"```markdown\n{ZH}\n```"),
    ("推荐一些网站", ZH + "\n\n" + LINKS),
    ("写一个网页", "<html><body>" + f'<p class="lead">{ZH}</p>' * 8 + "</body></html>"),
    ("Kubernetes를 소개해 주세요", (KO_TECH + CODE) * 5),
    ("Расскажи про Kubernetes", (RU_TECH + CODE) * 5),
    ("Kubernetesについて説明してください", (JA_TECH + CODE) * 5),
    ("Schreibe eine Anleitung zu Kubernetes", (DE + "\n\n" + CODE) * 5),
    # Words of another script in a request, and one language named in another.
    ("Write about 北京 and its history", EN),
    ("Describe 北京", EN),
    ("Explain the idiom 画蛇添足", EN),
    ("Translate 你好 for beginners", EN),
    ("Explain π", EN),
    ("Tell me about Dostoevsky's Братья Карамазовы", EN),
    ("用英文介绍一下 Kubernetes", EN),
    ("Write an essay in Korean about Kubernetes", KO),
    (f"Write a review of this article: {ZH}", EN),
    (f"请为下面的文章写一篇评论：{EN * 4}", ZH),
    # Few words.
    ("Poem", EN), ("Write a poem", EN), ("Write a haiku", EN), ("秋天", ZH),
    ("Poème", FR), ("Gedicht", DE), ("Poema", ES), ("Poema sobre o mar", PT), ("Poesia", IT),
    ("Рассказ", RU), ("Вірш про море", UK), ("시", KO), ("海の詩", JA), ("قصيدة عن البحر", AR),
    ("Bài thơ về biển", VI), ("समुद्र पर कविता", HI),
]  # fmt: skip

FOREIGN = [
    ("介绍一下 Kubernetes", EN),
    ("什么是 Reinforcement Learning from Human Feedback", EN),
    ("详细解释 Retrieval-Augmented Generation", EN),
    ("React Native 入门", EN),
    ("介绍一下 Kubernetes", JA),
    ("介绍一下 Kubernetes", (EN + "\n\n" + CODE) * 5),
    ("介绍一下 Kubernetes", ZH[:20] + EN),
    ("Kubernetes를 소개해 주세요", EN),
    ("Retrieval-Augmented Generation에 대해 설명해 주세요", EN),
    ("Kubernetes를 소개해 주세요", ZH),
    ("Расскажи про Kubernetes", EN),
    ("Что такое Retrieval-Augmented Generation?", EN),
    ("Kubernetesについて説明してください", EN),
    ("Kubernetesについて説明してください", KO),
    ("Kubernetes के बारे में एक लेख लिखो", EN),
    ("اكتب مقالا عن Kubernetes", EN),
    ("Schreibe über Kubernetes", EN),
    ("Présente Kubernetes", EN),
    ("Tell me about Kubernetes", DE),
    ("Write about 北京 and its history", ZH),
    ("Translate 你好 for beginners", ZH),
    ("Tell me about Dostoevsky's Братья Карамазовы", RU),
    ("Explain how ```print('你好，世界')``` works in a program", ZH),
    ("写一篇散文", f"```markdown\n{EN}\n```"),
    ("写一篇散文", f"```md\n{EN * 8}\n```\n"),
    ("Write a tutorial on deployments.", (ZH_TECH + CODE) * 5),
    ("Poème", EN),
    ("Ensayo sobre la libertad", EN),
    ("Gedicht over de zee", EN),
    ("Рассказ", EN),
    ("시", EN),
    ("قصيدة عن البحر", FR),
    ("Напиши длинный рассказ о старом маяке и его смотрителе.", UK),
    ("Viết một câu chuyện dài về ngọn hải đăng và người gác đèn.", EN),
]  # fmt: skip


@pytest.mark.parametrize(("instruction", "text"), FITS)
def test_the_language_that_was_asked_for(instruction: str, text: str) -> None:
    assert language(text, instruction) is None


@pytest.mark.parametrize(("instruction", "text"), FOREIGN)
def test_another_language(instruction: str, text: str) -> None:
    assert language(text, instruction) == "language"


def test_lingua_is_loaded_for_short_instructions_alone() -> None:
    code = (
        "import sys; from selflengthen.text.checks import language\n"
        f"language({EN!r}, 'Write a long story about a lighthouse by the sea and the man in it.')\n"
        "print('lingua' in sys.modules)\n"
        f"language({EN!r}, 'Poem')\n"
        "print('lingua' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.split() == ["False", "True"], result.stderr
