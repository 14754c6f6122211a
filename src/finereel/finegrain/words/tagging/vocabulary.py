"""The closed word lists the caption rules go by."""

from types import MappingProxyType

from finereel.finegrain.words.inflection import words

BE = words("is are was were be been being 's 're am 'm isn't aren't")
LINKING = words(
    """
    looks look looking seems seem appears appear gets get getting becomes become turns stays
    """
)

ASPECT = words("start starts started begin begins began stop stops stopped keep keeps kept go goes")
BEFORE_NOUNS = ("DT", "PRP$", "JJ", "CD", "IN", "VB", "POS")

ONE_DOER = words(
    """
    man woman boy girl guy lady person kid child baby toddler infant teenager teen adult gentleman
    male female he she someone somebody who player singer dancer chef cook driver rider runner
    skater surfer swimmer host reporter character cat dog horse animal bird monkey
    """
)
COMPOUND_DOERS = words(
    """
    child kid baby toddler infant teenager teen adult male female character cat dog horse animal
    bird monkey player singer dancer host reporter
    """
)
MANY_DOERS = words(
    """
    men women boys girls guys ladies people persons kids children babies toddlers teenagers teens
    adults males females they who players singers dancers chefs drivers riders runners characters
    cats dogs horses animals birds monkeys friends couple students
    """
)
ING_NOUNS = words(
    """
    thing something anything nothing everything string ring king wing spring ceiling building
    morning evening clothing wedding painting earring swing sling pudding sibling duckling darling
    railing awning lightning being feeling clearing bedding drawing topping filling dressing
    stuffing icing frosting
    """
)

PHRASE_TAGS = frozenset(("DT", "PRP$", "CD", "NN", "NNS", "NNP", "NNPS", "JJ", "JJR", "JJS", "PDT"))
PHRASE_WORDS = words(
    """
    it him her them me us you himself herself itself themselves each one some many this that these
    those
    """
)
DETERMINERS_ALONE = words("that this these those all both some each another any")

# Particles of phrasal verbs that are prepositions where a noun phrase follows.
PARTICLES = words("up down in out on off over through along by about around round across past")
BOTH = PARTICLES | words(
    """
    inside outside behind under underneath beneath near above below aboard beyond before after
    """
)
NO_PARTICLES = words("by about")
ADVERBS_ONLY = frozenset(("out",))
UNMARKED = words("sheep fish deer")
MANY = words("of some many several few these those all different various lots bunch")
SIDES = words("left right back front")
NOUNS_TOO = frozenset(("inside", "outside", "down", "past"))

ADVERBS = words(
    """
    together alone apart aside away outdoors indoors upstairs downstairs upwards downwards upward
    downward forwards forward backwards backward sideways underwater overhead again twice once here
    nearby everywhere somewhere abroad ahead afterwards meanwhile suddenly slowly quickly softly
    loudly gently carefully happily sadly quietly separately rapidly smoothly
    """
)
FLAT_ADVERBS = words("fast hard high low loud slow straight close deep well")

COLOURS = words(
    """
    red green blue yellow black white brown grey gray pink purple orange golden silver beige maroon
    violet turquoise teal navy tan cream crimson magenta cyan
    """
)
ADJECTIVES = COLOURS | words(
    """
    big small large little tall short long huge tiny giant young old elderly middle-aged wooden
    metallic open closed empty full wet dry hot cold bright dark round square thick thin fat skinny
    bald blonde blond clean dirty soft new colorful colourful striped animated
    """
)

_TAG_WORDS = {
    "DT": "a an the this these those another each every some any no all both",
    "PRP$": "my your his their its our",
    "PRP": "he she it they we i you him them us me himself herself itself themselves someone "
    "somebody something anyone "
    "anything everyone everything nothing nobody",
    "CC": "and or but nor &",
    "CD": "one two three four five six seven eight nine ten eleven twelve",
    "IN": "of with at from into onto during between among amongst against toward towards upon "
    "without beside besides "
    "for via atop while because if",
    "MD": "can could will would shall should may might must",
    "WP": "who whom",
    "WDT": "which",
    "VBZ": "is has does",
    "VBP": "are",
    "VBD": "was were",
    "VB": "be",
    "VBN": "been",
    "VBG": "being",
    "RB": "not n't",
    "NN": "t-shirt mic",
    "NNS": "t-shirts",
}
ALWAYS = MappingProxyType({word: tag for tag, text in _TAG_WORDS.items() for word in words(text)})
