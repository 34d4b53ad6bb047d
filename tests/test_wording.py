from csam_lightning.wording import counted


def test_a_noun_agrees_with_its_number() -> None:
    assert [counted(number, "cell") for number in (0, 1, 2)] == ["0 cells", "1 cell", "2 cells"]
