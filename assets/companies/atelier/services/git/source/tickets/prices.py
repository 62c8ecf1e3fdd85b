"""What a visit to the gallery costs, in cents."""

ADULT = 1200
CHILD = 500
GROUP = 10


def total(adults, children):
    """The price for a party. Groups of ten and more pay a tenth less."""
    price = adults * ADULT + children * CHILD
    if adults + children > GROUP:
        price -= price // 10
    return price


def shown(cents):
    """A price as it stands on the ticket."""
    return f"EUR {cents // 100}.{cents % 100:02d}"
