"""The words and the sentence patterns of pocket English, as data.

A pattern is a sentence with slots. `{adj}` draws from `WORDS["adj"]`; a digit
after a slot's name (`{adj2}`) asks for another draw. `person`, `object`,
`place`, `animal` and `food` are things that a later sentence can speak about.
Every pattern has at least three free slots: sentences then hardly ever repeat.
"""

from __future__ import annotations

WORDS: dict[str, tuple[str, ...]] = {
    slot: tuple(words.split())
    for slot, words in {
        "woman": "Alma Bess Cora Dina Edith Flora Gwen Helga Ines Jane Kate Lotte Mina Nina Opal "
        "Rita Selma Tilda Uma Viola Wilma Zoe Agnes Britta",
        "man": "Adam Boris Carl David Erik Frank Georg Henry Igor Jack Kurt Lars Marco Nils Oscar "
        "Peter Ralf Simon Tim Ulrich Victor Werner Anton Bruno",
        "job": "baker farmer miller sailor teacher doctor tailor potter painter weaver smith "
        "hunter singer driver printer gardener shepherd carpenter fisher clerk mason barber",
        "animal": "fox dog cat horse goat owl crow hare badger otter heron swan donkey sheep duck "
        "mouse bear wolf deer frog goose pony sparrow squirrel rabbit raven eagle pigeon turtle "
        "snail beaver camel lizard moth spider robin hen ram calf puppy kitten parrot seal whale",
        "place": "mill harbour market bridge forest garden castle school river lake barn tower "
        "cottage meadow valley beach island village station library orchard workshop chapel field "
        "cave well road hill square inn bakery lighthouse kitchen cellar attic stable pond quarry "
        "temple theatre palace prison port shop farm camp cabin hut church abbey court park shore "
        "cliff desert dock street lane gate mine hall hospital museum office studio tavern stall "
        "vineyard ranch fort pier shed yard",
        "object": "boat lamp book coat basket clock key map rope bell chair table letter mirror "
        "drum flute kite ladder knife bucket blanket candle wheel cart box ring hat scarf bottle "
        "bag shovel violin painting cup plate pipe net anchor compass wagon statue window broom "
        "hammer saddle puppet coin diary lantern jug ball spoon fork bowl mug chain drawer sofa "
        "shelf carpet curtain pillow towel apron glove boot shoe belt crown necklace brooch "
        "telescope globe pen brush stamp envelope poster photograph doll toy swing sled barrel "
        "crate pot pan kettle oven stove axe saw spade rake rod oar trumpet harp guitar piano "
        "whistle banner flag medal sword shield helmet cloak parcel purse suitcase trunk",
        "food": "bread soup cheese honey fish stew cake milk butter rice jam tea cider porridge "
        "chocolate salad pie pudding bacon ham corn pasta cream yogurt wine juice coffee toast "
        "broth curry jelly oatmeal",
        "material": "oak iron silver glass leather wool clay stone copper paper straw silk tin "
        "bone pine brass",
        "colour": "red blue green yellow white black brown grey golden purple pink orange",
        "adj": "old new small large heavy light broken quiet strange famous empty dusty narrow "
        "deep bright dark cold warm pretty plain simple crooked lonely hidden busy muddy smooth "
        "rough lovely ancient tiny clean rusty round tall cheap wide wild",
        "feeling": "happy sad proud tired calm angry hopeful nervous curious brave afraid lucky "
        "shy cheerful worried grateful jealous hungry sleepy excited",
        "smell": "smoke rain salt mint pepper roses mud tar soap hay leaves oil cinnamon lemon "
        "dust flowers",
        "part": "handle lid edge corner side back top base hook stripe mark lock",
        "body": "ears eyes paws feet whiskers shoulders teeth legs",
        "relative": "mother father uncle aunt sister brother cousin grandmother grandfather "
        "neighbour friend teacher",
        "number": "two three four five six seven eight nine ten eleven twelve twenty",
        "units": "coins eggs loaves candles buttons blankets stories nails apples ribbons",
        "weather": "rain snow wind sun fog sky storm air moon frost thunder ice",
        "mild": "strong soft sharp gentle fierce harsh grey clear damp heavy pale still",
        "when": "then again early late twice once outside overhead",
        "near": "near behind beside under above inside outside beyond",
        "went": "walked ran rode sailed hurried wandered climbed travelled drove returned",
        "did": "found lost mended cleaned painted carried dropped hid sold bought opened watched "
        "lifted borrowed moved forgot guarded wanted measured studied",
        "animal_did": "slept waited played jumped danced sang cried rested hid worked ate stood",
        "chased": "followed chased watched stole licked guarded touched pushed dragged noticed",
        "adverb": "slowly quickly gently loudly softly carefully often always never sometimes "
        "rarely gladly",
        "skill": "sing swim cook read paint dance sew sail write draw ride count",
        "hoped": "wanted hoped tried planned decided promised agreed began",
        "said": "said thought believed knew heard remembered wrote learned",
    }.items()
}

EVENTS: tuple[str, ...] = (
    "{person} {did} the {adj} {object} {near} the {adj2} {place}.",
    "{person} {went} to the {adj} {place} with a {colour} {object} and some {food}.",
    "A {adj} {animal} {chased} {person} {near} the {colour} {place}.",
    "{person} and {person2} {did} a {material} {object} in the {adj} {place}.",
    "{person} gave {person2} a {adj} {object} and {number} {units}.",
    "A {job} from the {adj} {place} sold {person} a {colour} {object}.",
    "{person} {said} that the {object} {near} the {place} was {adj} and {adj2}.",
    "{person} cooked {food} with {smell} for the {adj} {animal}.",
    "{person} was {feeling} because a {animal} {adverb} {chased} the {adj} {object}.",
    "The {adj} {animal} {animal_did} {adverb} while {person} {did} the {colour} {object}.",
    "Nobody {said} why {person} {did} a {adj} {object} {near} the {place}.",
    "{person} {adverb} {did} the {material} {object} and felt {feeling}.",
    "The {adj} {object} from the {place} was {adj2} when {person} {did} it.",
    "{person} sold {number} {units} and some {food} {near} the {adj} {place}.",
    "{person} {went} past the {adj} {place} and {did} a {colour} {object}.",
    "{person} and {person2} {hoped} to take the {colour} {object} to the {adj} {place}.",
    "While the {weather} was {mild}, a {animal} {chased} {person} {near} the {place}.",
    "{person} {adverb} {went} to the {adj} {place} with a {colour} {animal}.",
    "{person} showed the {adj} {object} to a {job} {near} the {place}.",
    "The {weather} was {mild}, and {person} {did} the {adj} {object}.",
    "{person} met a {feeling} {job} who {did} a {colour} {object}.",
    "{person} put {number} {units} into the {adj} {object} at the {place}.",
    "In the {adj} {place} {person} and a {animal} {adverb} waited for {person2}.",
    "{person} asked a {job} about the {adj} {object} and the {colour} {animal}.",
    "At the {place} {person} {did} some {food} and a {adj} {object}.",
    "{person} hid from a {adj} {animal} {near} the {colour} {place}.",
    "Some {food} from the {adj} {place} made {person} {feeling}.",
    "{person} {adverb} spoke to {person2} about the {place} and the {adj} {object}.",
    "The {relative} of {person} {did} the {material} {object} {near} the {place}.",
    "Two days before, {person} {went} to a {adj} {place} to {skill}.",
    "It was {mild} when {person} and a {adj} {animal} {went} past the {place}.",
    "With {number} {units} {person} {adverb} {went} to the {adj} {place}.",
    "Every {animal} {near} the {place} was {feeling}, and {person} {did} the {object}.",
    "{person} lived {near} a {adj} {place} and {hoped} to {skill}.",
    "A letter from {person} {said} that the {adj} {place} smelled of {smell}.",
    "{number} {units} stood on the {adj} {object}, and {person} was {feeling}.",
)

DETAILS: dict[str, tuple[str, ...]] = {
    "person": (
        "{it} felt {feeling}, for the {object} was {adj} and {adj2}.",
        "{they} had heard about the {adj} {place} from {their} {relative}.",
        "{it} carried a {colour} {object} and {went} {adverb} past the {place}.",
        "{they} had learned to {skill} in a {adj} {place} with {their} {relative}.",
        "{it} was {feeling} and {feeling2}, and {adverb} spoke about the {object}.",
        "{they} kept {number} {units} in a {material} {object} at the {place}.",
        "{it} liked {food} with {smell} and {adverb} cooked it {near} the {place}.",
        "{they} never {said} that the {place} was {adj} or {adj2}.",
        "{it} had been a {job} once, and {their} {relative} {did} the {object}.",
        "{they} {hoped} to {skill} {near} the {adj} {place}, {near2} a {colour} {object}.",
        "{it} had a {adj} {animal} with {colour} {body} and a {material} {object}.",
        "{their} {relative} {adverb} gave {it} some {adj} {food} and {number} {units}.",
        "{they} {said} that {their} {relative} was {feeling} {near} the {adj} {place}.",
        "For {number} years {it} {adverb} {did} the {adj} {object}.",
        "{their} best friend was a {adj} {animal} with {colour} {body}.",
        "When the {weather} was {mild}, {it} {adverb} {went} to the {place}.",
        "{it} dreamed of a {colour} {object} and of the {adj} {place}.",
        "People {said} that {it} {did} {number} {units} {near} the {place}.",
        "{they} smelled of {smell}, since {they} {adverb} {did} the {food}.",
        "Once {it} {did} a {colour} {object} for {number} {units}.",
        "No {job} was as {feeling} as {it} {near} the {adj} {place}.",
        "{it} could {skill} and {skill2}, and {their} {relative} was {feeling}.",
    ),
    "place": (
        "The {it} was {adj} and {adj2}, and it smelled of {smell} and {smell2}.",
        "A {job} had built the {it} from {material} and {material2} {near} the {place}.",
        "The {it} stood between a {adj} {place} and a {colour} {object}.",
        "{number} people worked at the {it}, and {person} {adverb} came with a {object}.",
        "People {adverb} came to the {it}, for the {weather} was {mild} and the {object} {adj}.",
        "In the {it} there was a {colour} {object} and a {adj} {animal}.",
        "{near} the {it} there were {number} {units} and a {adj} {object}.",
        "{person} {adverb} {went} to the {it} and {did} a {material} {object}.",
        "The {it} had a {colour} door of {material}, and a {adj} {animal} {animal_did} there.",
        "Nobody lived in the {it} but {person} the {job} and a {adj} {animal}.",
        "The {weather} was {mild}, and the {it} looked {adj} and {adj2}.",
        "{person} called the {it} {adj}, for it smelled of {smell}.",
        "Long ago the {it} belonged to {person} and a {feeling} {job}.",
        "Some {food} and a {adj} {object} stood in the {it}.",
        "On the wall of the {it} there was a {colour} {part} of {material}.",
        "Children {adverb} danced at the {it} with {number} {units}.",
        "Every {job} knew the {it}, and {person} {adverb} {went} there.",
        "The way to the {it} was {adj}, and a {animal} {animal_did} there.",
        "Under the roof of the {it} a {adj} {animal} {animal_did} {adverb}.",
    ),
    "object": (
        "The {it} was made of {material} and had a {colour} {part} of {material2}.",
        "A {job} from the {place} sold the {it} for {number} {units}.",
        "The {it} belonged to {person}, who kept it {near} the {adj} {place}.",
        "The {it} was {adj}, {adj2} and {colour}, and it smelled of {smell}.",
        "Nobody knew why the {it} was {near} the {adj} {place} with some {food}.",
        "{person} {adverb} used the {it} when the {weather} was {mild}.",
        "{person} had {adverb} {did} the {it} with a {adj} {object} of {material}.",
        "On the {part} of the {it} there was a {colour} {part2} and some {smell}.",
        "The {it} came from a {adj} {place}, where a {job} {did} it {adverb}.",
        "A {adj} {animal} {chased} the {it} when the {weather} was {mild}.",
        "The {it} was {adj} and {adverb} stood {near} a {colour} {object}.",
        "{person} paid {number} {units} for the {it} at the {adj} {place}.",
        "Inside the {it} there was some {food} and a {colour} {animal}.",
        "With the {it} {person} {adverb} {did} a {adj} {animal}.",
        "For {number} years the {it} {adverb} stood {near} the {place}.",
        "Someone painted the {it} {colour} and {colour2}, like a {adj} {animal}.",
        "The {part} of the {it} was {colour}, and the {part2} was of {material}.",
        "It took {number} days to carry the {it} to the {adj} {place}.",
        "The {relative} of {person} {adverb} cleaned the {it} with {smell}.",
        "A {it} like this was {adj}, and every {job} wanted one of {material}.",
    ),
    "animal": (
        "The {it} had {colour} {body} and {adj} {body2}, and it {animal_did} {adverb}.",
        "The {it} was {feeling} and wanted some {food} from the {adj} {place}.",
        "The {it} {adverb} {animal_did} {near} the {adj} {place} and {chased} a {object}.",
        "{person} the {job} gave the {it} a {colour} {object} and {number} {units}.",
        "The {it} {adverb} {animal_did} when the {weather} was {mild} and {mild2}.",
        "The {it} {chased} a {adj} {animal} and {adverb} {animal_did} {near} the {place}.",
        "{person} {said} that the {it} was {feeling}, and it smelled of {smell}.",
        "The {it} {adverb} ate {food} from a {material} {object} with a {colour} {part}.",
        "Once the {it} {animal_did} in a {adj} {object}, and {person} {chased} it.",
        "A {job} {adverb} {chased} the {it} {near} the {colour} {place}.",
        "No {animal} was as {adj} as the {it}, {said} {person}.",
        "Some {food} made the {it} {feeling}, and it {animal_did}.",
        "At night the {it} {animal_did} on a {adj} {object} of {material}.",
        "On its back the {it} had a {colour} {part} and {number} {units}.",
        "Every day the {it} {chased} {person} to the {adj} {place}.",
        "The {weather} made the {it} {feeling}, and it {adverb} {animal_did}.",
    ),
    "food": (
        "The {it} was {adj} and {adj2}, and it tasted of {smell} and {smell2}.",
        "{person} had made the {it} in a {material} {object} at the {place}.",
        "The {it} came from a {adj} {place}, where {person} was a {job}.",
        "{person} {adverb} ate the {it} with {smell} {near} the {adj} {place}.",
        "The {it} stood in a {colour} {object}, and a {animal} {chased} {number} {units}.",
        "A {job} sold the {it} for {number} {units} when the {weather} was {mild}.",
        "Without the {it} {person} was {feeling} and {adverb} {went} to the {place}.",
        "There was {smell} in the {it}, and the {relative} of {person} liked it.",
        "A {adj} {animal} {adverb} wanted the {it} {near} the {place}.",
        "{number} people shared the {it} and put some in a {adj} {object}.",
        "For the {it} {person} gave {number} {units} and a {colour} {object}.",
        "The {job} kept the {it} in the {adj} {place} with some {smell}.",
    ),
}

ENDINGS: tuple[str, ...] = (
    "{main} {went} home from the {place} and felt {feeling}.",
    "{main} put the {object} away and said good night to {other}.",
    "{main} and {other} {went} home with the {adj} {object}.",
    "The {adj} {object} stood in the {place}, and everyone was {feeling}.",
    "{main} the {job} loved the {place} and was {feeling}.",
    "Nobody in the {place} forgot the {adj} {object} and the {animal}.",
)
ENDING_TITLES: tuple[str, ...] = ("In the end", "At last", "And so", "Finally")

# The titles of one text come from one of these lists and keep its order, so that the place in a
# long text is known from the last title alone.
TITLES: dict[str, tuple[str, ...]] = {
    "day": (
        "At dawn", "In the morning", "At noon", "In the afternoon", "In the evening", "At night",
        "At midnight",
    ),
    "week": (
        "On Monday", "On Tuesday", "On Wednesday", "On Thursday", "On Friday", "On Saturday",
        "On Sunday",
    ),
    "year": (
        "In January", "In March", "In April", "In May", "In July", "In August", "In October",
        "In December",
    ),
    "steps": ("First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth"),
    "chapters": (
        "Chapter one", "Chapter two", "Chapter three", "Chapter four", "Chapter five",
        "Chapter six", "Chapter seven", "Chapter eight",
    ),
    "life": (
        "As a baby", "As a child", "As a student", "As a worker", "As a parent", "As a master",
        "As an elder",
    ),
}  # fmt: skip

REQUESTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "story": (
        ("day", "chapters", "week"),
        (
            "Write a story about {main} the {job} and the {adj} {object}.",
            "Write a story about {main} the {job} and a {colour} {animal}.",
            "Tell me a tale about {main}, {other} and the {adj} {object}.",
            "Tell me a story about a {adj} {place} and the {animal} that lived there.",
            "Write a tale about a {adj} {place}, a {job} and a {colour} {object}.",
            "Tell me how {main} {did} the {adj} {object} in the {place}.",
            "Write a novel about {main} and {other} in the {adj} {place}.",
        ),
    ),
    "diary": (
        ("week", "year", "day"),
        (
            "Write the diary of {main} the {job} in the {adj} {place}.",
            "Describe a day in the {adj} {place} with {main} the {job}.",
            "Keep a diary for {main}, who {did} a {adj} {object}.",
            "Describe the travels of {main} and a {adj} {animal} to the {place}.",
        ),
    ),
    "report": (
        ("steps", "year"),
        (
            "Write a report about the {animal} and the {adj} {object} for {main}.",
            "Explain why {main} the {job} {went} to the {place} with a {adj} {object}.",
            "Explain how {main} and {other} came to share the {adj} {object}.",
            "Describe the {colour} {object} that {main} the {job} kept in the {place}.",
            "Write a guide to the {adj} {place} for a {feeling} {job}.",
            "Explain to {main} how a {job} {did} the {material} {object}.",
        ),
    ),
    "letter": (
        ("steps", "week", "year"),
        (
            "Write a letter from {main} to {other} about the {adj} {place}.",
            "Write a letter from {main} the {job} about a {adj} {animal}.",
            "Write a speech about the {adj} {object} for {main} the {job}.",
        ),
    ),
    "life": (
        ("life",),
        (
            "Describe the life of {main} the {job} and a {colour} {animal}.",
            "Tell me about the life of {main}, who {did} a {adj} {object}.",
            "Write the life of a {feeling} {job} from the {adj} {place}.",
        ),
    ),
}

UNSUITABLE: tuple[str, ...] = (
    "What is the colour of the {adj} {object}?",
    "Where is the {adj} {place}?",
    "Who was {main} the {job}?",
    "How old was the {adj} {animal}?",
    "Was the {object} made of {material} or {material2}?",
    "How many {units} were in the {adj} {object}?",
    "Give the {adj} {object} to {main}.",
    "Is the {animal} {feeling} or {feeling2}?",
    "Who sold the {adj} {object} to {main}?",
    "What smelled of {smell} in the {adj} {place}?",
)
