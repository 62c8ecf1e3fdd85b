from prices import shown, total


def test_a_family():
    assert total(2, 2) == 3400


def test_a_large_group_pays_less():
    assert total(12, 0) == 12960


def test_ten_are_a_group():
    assert total(8, 2) == 9540


def test_a_price_on_the_ticket():
    assert shown(3405) == "EUR 34.05"
