from csam_lightning.predicting.table import path_cell, text_cell


def test_names_are_no_formulas() -> None:
    assert path_cell("=cmd()|calc.png") == "./=cmd()|calc.png"
    assert path_cell("@SUM(1).png") == "./@SUM(1).png"
    assert path_cell("lot/-1.png") == "lot/-1.png"
    assert [text_cell(text) for text in ("=1+1", "-1+1", "+cmd", "\tx")] == ["'=1+1", "'-1+1", "'+cmd", "'\tx"]
    assert [text_cell(text) for text in ("", "P1", "-12", "+3.5", "a=b")] == ["", "P1", "-12", "+3.5", "a=b"]
