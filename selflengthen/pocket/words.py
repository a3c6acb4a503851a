"""The vocabulary of pocket English: the words that fill each slot of a sentence pattern."""

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
