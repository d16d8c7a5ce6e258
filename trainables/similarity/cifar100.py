"""CIFAR-100's superclasses, and how the authors of SimLoss spell its classes. Plain data."""

from __future__ import annotations

# Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; names as in the data set's files
SUPERCLASSES: dict[str, tuple[str, ...]] = {
    "aquatic_mammals": ("beaver", "dolphin", "otter", "seal", "whale"),
    "fish": ("aquarium_fish", "flatfish", "ray", "shark", "trout"),
    "flowers": ("orchid", "poppy", "rose", "sunflower", "tulip"),
    "food_containers": ("bottle", "bowl", "can", "cup", "plate"),
    "fruit_and_vegetables": ("apple", "mushroom", "orange", "pear", "sweet_pepper"),
    "household_electrical_devices": ("clock", "keyboard", "lamp", "telephone", "television"),
    "household_furniture": ("bed", "chair", "couch", "table", "wardrobe"),
    "insects": ("bee", "beetle", "butterfly", "caterpillar", "cockroach"),
    "large_carnivores": ("bear", "leopard", "lion", "tiger", "wolf"),
    "large_man-made_outdoor_things": ("bridge", "castle", "house", "road", "skyscraper"),
    "large_natural_outdoor_scenes": ("cloud", "forest", "mountain", "plain", "sea"),
    "large_omnivores_and_herbivores": ("camel", "cattle", "chimpanzee", "elephant", "kangaroo"),
    "medium_mammals": ("fox", "porcupine", "possum", "raccoon", "skunk"),
    "non-insect_invertebrates": ("crab", "lobster", "snail", "spider", "worm"),
    "people": ("baby", "boy", "girl", "man", "woman"),
    "reptiles": ("crocodile", "dinosaur", "lizard", "snake", "turtle"),
    "small_mammals": ("hamster", "mouse", "rabbit", "shrew", "squirrel"),
    "trees": ("maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree"),
    "vehicles_1": ("bicycle", "bus", "motorcycle", "pickup_truck", "train"),
    "vehicles_2": ("lawn_mower", "rocket", "streetcar", "tank", "tractor"),
}

# The names of the data set's web page where they differ from its files: the 20 that SimLoss's authors looked up
SIMLOSS_SPELLING: dict[str, str] = {
    "orchid": "orchids",
    "poppy": "poppies",
    "rose": "roses",
    "sunflower": "sunflowers",
    "tulip": "tulips",
    "bottle": "bottles",
    "bowl": "bowls",
    "can": "cans",
    "cup": "cups",
    "plate": "plates",
    "apple": "apples",
    "mushroom": "mushrooms",
    "orange": "oranges",
    "pear": "pears",
    "maple_tree": "maple",
    "oak_tree": "oak",
    "palm_tree": "palm",
    "pine_tree": "pine",
    "willow_tree": "willow",
    "lawn_mower": "lawn-mower",
}

# and the four whose words their vectors lacked in that spelling; they left these classes out
SIMLOSS_LEFT_OUT: dict[str, str] = {
    "aquarium_fish": "aquarium fish",
    "sweet_pepper": "sweet peppers",
    "keyboard": "computer keyboard",
    "pickup_truck": "pickup truck",
}
