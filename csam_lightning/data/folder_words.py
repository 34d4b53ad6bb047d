"""What people call splits, lots, parts, read-outs and months, in several languages, as parts of regular expressions.

Words are in small letters and without accents, as :func:`plain_word` makes them. Languages: English, German, French,
Spanish, Italian, Portuguese, Dutch, Polish, Japanese, Chinese.
"""

import re
import unicodedata

from csam_lightning.data.spelling import look

ACCENTS = re.compile("[\u0300-\u036f]")


def plain_word(text: str) -> str:
    """Return a text in small letters, without accents, and characters that look like others as one."""
    letters = unicodedata.normalize("NFD", look(text).casefold())
    return unicodedata.normalize("NFC", ACCENTS.sub("", letters))


def _any_of(text: str) -> str:
    return "|".join(sorted(map(re.escape, {plain_word(word) for word in text.split()}), key=len, reverse=True))


SPLITS = _any_of(
    "train training trainval trn dev val valid validation validate validating test testing tests tst holdout hold-out "
    "hold_out holdouts eval evaluation evaluate unseen fold "
    "trainings validierung validierungs testen auswertung "
    "entraînement apprentissage évaluation "
    "entrenamiento validación prueba pruebas evaluación "
    "addestramento allenamento validazione convalida prova valutazione "
    "treino treinamento validação teste testes avaliação "
    "trainen validatie evaluatie "
    "trening treningowy treningowe treningowa uczący uczące ucząca uczenie walidacja walidacyjny walidacyjne walidacyjna "
    "testowy testowe testowa "
    "訓練 训练 学習 学习 學習 検証 验证 驗證 テスト 测试 測試 評価 评估 評估 トレーニング トレイン バリデーション 試験 测验"
)
SETS = _any_of(
    "set sets split splits data dataset images image scans scan part "
    "daten datensatz satz menge bilder aufnahmen données images datos imágenes dati immagini dados imagens gegevens "
    "beelden dane obrazy zbiór 集 数据 數據 資料 データ データセット セット 用 图像 圖像 画像 組 组"
)
SET_OF = _any_of("ensemble jeu données conjunto datos insieme set dati dados zbiór")

LOTS = _any_of(
    "lot lots los batch charge carrier tray wafer lote lotes lotto lotti lots partij partia batchnr "
    "ロット バッチ 批次 批 批号 批號 ウェハ ウエハ 晶圆 晶圓 トレイ 托盘"
)
SERIES = _any_of(
    "strip panel leadframe lead-frame lead_frame magazine boat box reel run unit part package pkg sample dut device "
    "board serial sn machine scanner operator scan session series week kw cw ww "
    "teil bauteil muster probe stück serie gehäuse woche "
    "pièce échantillon série boîtier semaine pieza muestra semana pezzo campione settimana peça amostra "
    "stuk monster reeks seria sztuka próbka サンプル 試料 样品 樣品 样本 樣本 編號 编号"
)

CYCLES = _any_of("ciclo ciclos cicli cykl cykle cykli cyclus cyclussen サイクル 循环 循環 回 次")
TIMES = _any_of(
    "heure heures jour jours semaine semaines hora horas dia dias ora ore giorno giorni uur uren dag dagen godz "
    "godzin dni 小时 小時 時間 天 日 周 週"
)
AFTER = _any_of("nach après despues después dopo depois após na po")
STATES = _any_of(
    "initial initially pre post before after vorher nachher avant après antes después dopo depois przed "
    "anfang anfangszustand ausgangszustand anlieferung inicial iniziale initieel 初期 試験前 試験後 试验前 试验后"
)

MONTHS = _any_of(
    "jan january januar janvier enero gennaio janeiro januari styczeń "
    "feb february februar février febrero febbraio fevereiro februari luty "
    "march märz mär mrz mars marzo março maart marzec "
    "apr april avril abril aprile kwiecień "
    "mai mayo maggio maio mei maj "
    "jun june juni juin junio giugno junho czerwiec "
    "jul july juli juillet julio luglio julho lipiec "
    "aug august août agosto augustus sierpień "
    "sep sept september septembre septiembre settembre setembro wrzesień "
    "oct okt october oktober octobre octubre ottobre outubro październik "
    "nov november novembre noviembre novembro listopad "
    "dec dez december dezember décembre diciembre dicembre dezembro grudzień"
)
MAYBE_MONTHS = _any_of("mar may ene gen ago set out abr mag giu lug dic")
"""Short names of months that are words too: they count beside another month, or with a year of four digits."""
