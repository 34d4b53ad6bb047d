"""Folders that are no classes, by their names."""

import pytest

from csam_lightning.data.folder_names import kind, kinds


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        ("train Train training val validation test testing test_set holdout hold-out eval fold_0 train2", "split"),
        ("entraînement entrenamiento prueba validación treino validazione trening 訓練 验证 测试 test_1", "split"),
        (
            "0cyc 500cyc 0h 168h t0 T0 t96 cycle_100 cycles500 100TC TC500 0.5h post-stress after_TC500 1k cycles=0",
            "read-out",
        ),
        ("LOT7 lot_A lot-AB12 L01 carrier3 tray_2 wafer12 W03 unit_A part12 P17 KW12 run3", "lot"),
        ("Prüfung Trainingsdaten prueba pruebas validação addestramento validatie treningowe walidacyjny", "split"),
        ("训练集 验证集 訓練用 検証用データ トレーニング テストデータ 測試組 cv_1 fold2 TrainSet", "split"),
        ("Los7 Charge_12 lote3 lotto-A partia_5 szarża1 seria2 LotA lotAB12 LOT_X-7", "lot"),
        ("批次12 批号7 批號A1 第1批 ロット3", "lot"),
        ("Probe7 muestra2 campione_3 échantillon4 próbka5 样品1 サンプル2 semaine12 semana3 Teil_B", "lot"),
        ("2024-05-01 20240501 01.05.2024 2024_W12 2024-05 März24 Jan_2024 24-oct Février_2024 marzec24", "date"),
        ("2024年3月 2024年 2024年3月5日 03-2024 03.2024 enero2024 Dez.23", "date"),
        ("500ciclos 500cicli 500cykli 500サイクル 500次 96heures 96horas 96ore 96uur 96小时 7jours", "read-out"),
        ("HAST96 uHAST192 HTSL1000 TCB500 nach500 après500 试验前 eol post_IR3 pre-TC PostReflow", "read-out"),
    ],
)
def test_folders_that_are_no_classes(names: str, meant: str) -> None:
    assert {name: kind(name) for name in names.split()} == dict.fromkeys(names.split(), meant)


def test_folders_that_may_be_classes() -> None:
    names = "A B C1 L1 OK nok void none delam no_delam die_pad wafer crack grade1 class2 pass fail Ag testable 7"
    names += " partial partial2 partially_2 lost lost2 loss2 fold folded split charged wafer_crack1 tray_mark"
    names += " po na vor Muster1 1次 delamTest 5um march_of_voids decay post_pillar Gruppe1 Jan may 前"
    names += " loss lost lots units parts"
    assert {name: kind(name) for name in names.split()} == dict.fromkeys(names.split())


@pytest.mark.parametrize("names", ["0 1", "1 2 3", "1 3 5", "00 01 02", "0 1 2 3 4 5 6 7 8 9 10 11"])
def test_small_numbers_and_numbers_that_count_may_be_classes(names: str) -> None:
    assert kinds(names.split()) == {}


@pytest.mark.parametrize("names", ["0 500", "0 100 200", "10 20", "2023 2024", "0 1 2 3 50"])
def test_other_numbers_are_read_outs(names: str) -> None:
    assert kinds(names.split()) == dict.fromkeys(names.split(), "read-out")


def test_parts_are_parts_however_many_digits_they_have() -> None:
    assert kinds(["P9", "P10"]) == {"P9": "lot", "P10": "lot"}


def test_read_outs_are_read_outs_however_many_digits_they_have() -> None:
    assert kinds(["t0", "t1", "t2"]) == dict.fromkeys(["t0", "t1", "t2"], "read-out")
    assert kinds(["t1", "t2"]) == {}


def test_numbers_from_zero_between_what_all_names_share_are_read_outs() -> None:
    for names in (["n0", "n500"], ["0循环", "500循环"], ["Zustand 0 a", "Zustand 1000 a"]):
        assert kinds(names) == dict.fromkeys(names, "read-out")
    for names in (["grade0", "grade1", "grade2"], ["type10", "type20"], ["n0", "n500", "void"]):
        assert kinds(names) == {}


def test_months_side_by_side_are_dates_and_one_alone_may_be_a_class() -> None:
    assert kinds(["Jan", "Feb", "Mai"]) == dict.fromkeys(["Jan", "Feb", "Mai"], "date")
    assert kinds(["mar", "ok"]) == {}


@pytest.mark.parametrize(
    "names",
    ["vor nach", "avant après", "antes después", "przed po", "前 后", "Janvier février", "3月 4月", "Montag Dienstag"],
)
def test_some_words_are_no_classes_only_side_by_side(names: str) -> None:
    assert sorted(kinds(names.split())) == sorted(names.split())
    assert kinds(names.split()[:1]) == {}


@pytest.mark.parametrize(
    "names", ["0% 25% 50% 75% 100%", "0pct 50pct", "grade0 grade10", "class_0 class_10", "delam0 delam10 delam50"]
)
def test_grades_and_shares_are_classes(names: str) -> None:
    assert kinds(names.split()) == {}


@pytest.mark.parametrize(
    "names",
    [
        *("0 25 50 75 100", "10 20 30", "MSL1 MSL3", "T01 T02", "L01 L02", "before after", "LOT7 LOT8", "T0 T500"),
        *("0cyc 500cyc", "train val test", "void0cyc void500cyc", "0d 2d 7d"),
    ],
)
def test_what_names_do_not_decide_is_refused(names: str) -> None:
    assert sorted(kinds(names.split())) == sorted(names.split())


@pytest.mark.parametrize(
    "name", ["test" + "1" * 5000 + "x", "tc" * 2500 + "x", "lot" + "a1" * 2500 + "!", "1" * 5000 + "x"]
)
def test_long_names_are_judged(name: str) -> None:
    """An expression that tries all ways to part a name would not end."""
    assert kind(name) is None


def test_masks_beside_images_are_no_classes() -> None:
    assert kinds(["images", "masks"]) == {"images": "mask", "masks": "mask"}
    assert kinds(["masks", "void"]) == kinds(["overlay", "none"]) == {}


def test_dimensions_are_classes_and_days_are_none() -> None:
    assert kinds(["2D", "3D"]) == kinds(["2D", "3D", "void"]) == {}
    assert kinds(["2d", "7d"]) == dict.fromkeys(["2d", "7d"], "read-out")


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        ("images_train images_test", "split"),
        ("01_train 02_val 03_test", "split"),
        ("trainA testA", "split"),
        ("run_2024-05-03 run_2024-05-04", "date"),
        ("1000TC_-55_150 500TC_-55_150", "read-out"),
        ("3months 6months 12months", "read-out"),
        ("fresh aged", "read-out"),
        ("L1 L2 L3", "lot"),
    ],
)
def test_names_that_differ_by_a_part_that_is_no_class(names: str, meant: str) -> None:
    assert kinds(names.split()) == dict.fromkeys(names.split(), meant)


@pytest.mark.parametrize("names", ["test_ok test_nok", "train_A crack", "500cyc_A 500cyc_D", "C1 C2", "L1 ok"])
def test_names_that_share_a_part_or_of_which_one_has_none_may_be_classes(names: str) -> None:
    assert kinds(names.split()) == {}
