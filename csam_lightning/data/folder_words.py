"""Words of several languages that folders of splits, read-outs, lots and dates are called by, as regular expressions.

All are in small letters and without accents; a dash stands for the mark of a long vowel in Japanese, as in
:func:`~csam_lightning.data.spelling.look`. The languages are English, German, French, Spanish, Portuguese, Italian,
Dutch, Polish, Japanese and Chinese.
"""


def _any_of(*words: str) -> str:
    return f"(?:{'|'.join(word for line in words for word in line.split())})"


SPLITS = _any_of(
    "train(?:ing|val)? trn dev val valid(?:ation|ate)? test(?:ing|s)? tst hold[_-]?outs? eval(?:uation)? unseen",
    "lernen lerndaten schulung trainings? trainieren prufung validierung testen",
    "entrainement apprentissage entrenamiento pruebas? validacion evaluacion treino treinamento testes? validacao",
    "avaliacao allenamento addestramento convalida validazione verifica collaudo trainen validatie",
    "trening treningow[yea] uczac[yea] walidacja walidacyjn[yea] testow[yea]",
    "訓練 训练 学習 學習 検証 验证 驗證 評価 测试 測試 テスト トレ-ニング バリデ-ション",
)
SPLIT_ENDS = _any_of(
    "sets? splits? data images? scans? daten(?:satz)? bilder 用 デ-タ 数据 數據 セット 集 組 组 [0-9]+(?![0-9])"
)
NUMBERED_SPLITS = _any_of("fold cv split")

UNITS = _any_of(
    "k?cyc(?:l|le|les|s)? zyk(?:len|lus)? cicl[oi]s? cycli cykl[ie]? サイクル 循环 循環 k?_?tcs? tct ctc tst?",
    "h hr hrs hours? std stunden? heures? horas? ore uur godz(?:in|iny|iny)? 時間 小时 小時 min",
    "d days? tage? jours? dias? giorni dagen dni 天 日 w wk weeks? wochen? semaines? semanas? settimane weken 周 週",
    "mo months? monate? mois mes(?:es|i)? maand(?:en)? miesiac(?:e|y)? か月 ヶ月 个月 個月 yr years? jahre?",
    "k x?[_-]?reflows?",
)
BEFORE_NUMBERS = _any_of(
    "cyc(?:l|le|les|s)? zyk(?:len|lus)? cicl[oi]s? cykle? サイクル 循环 循環 tcs? tct ctc tst tcb thb ir u?_?b?hast",
    "htsl htst ltsl htol read[_-]?(?:out|point)? ro after post nach apres despues dopo depois hours? days? tag weeks?",
    "msl precon reflow",
)
STATES = _any_of(
    "initial time[_-]?(?:zero|0) as[_-]?received pre post before after vorher nachher bol eol",
    "(?:pre|post|before|after)[_-](?:stress|test|cycling|reflow|aging|ageing|tc|tct|msl|precon|u?_?hast|htsl)",
    "(?:試験|试验|測試|测试)[前後后]",
)
PAIRS = (
    *({"vor", "nach"}, {"voor", "na"}, {"przed", "po"}, {"prima", "dopo"}, {"avant", "apres"}),
    *({"fresh", "aged"}, {"unaged", "aged"}, {"new", "aged"}, {"new", "old"}, {"neu", "alt"}, {"neu", "gealtert"}),
    *({"antes", "despues"}, {"antes", "depois"}, {"前", "後"}, {"前", "后"}),
)
"""Words for before and after that are read-outs only side by side."""

LOTS = _any_of(
    "lot los lote lotto partita partie partida partia partij batch charge carrier tray wafer szarza",
    "批次? 批号 批號 ロット バッチ",
)
LOTS_OF_LETTERS = _any_of("lot batch carrier tray wafer 批号 批號")
"""Words that letters may follow without a gap, as in LOTAB12; ``partial2`` is no ``partia`` of Polish."""

SERIES = _any_of(
    "strip panel lead[_-]?frame magazine boat box reel run unit part package pkg sample dut device board serial sn",
    "machine scanner operator scan session series? seria week kw cw ww",
    "teil bauteil prufling anlage probe streifen woche piece echantillon semaine pieza muestra semana pezzo campione",
    "settimana peca amostra stuk probka 样品 樣品 サンプル 試料 部品 基板 周 週",
)
NUMBERED_LOTS = "第?[0-9]+(?:批次?|号?ロット|批号|批號)"

MONTHS = _any_of(
    "jan(?:uary?|uar|uari|vier)? feb(?:ruary?|ruar|ruari)? mar(?:ch|z)? mrz apr(?:il)? ma[iy] jun[ei]? jul[iy]?",
    "aug(?:ust)? sept?(?:ember)? o[ck]t(?:ober)? nov(?:ember)? de[cz](?:ember)? janner",
    "fevrier mars avril juin juillet aout septembre octobre novembre decembre",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre",
    "janeiro fevereiro marco maio junho julho setembro outubro novembro dezembro maart mei augustus",
    "styczen luty marzec kwiecien maj czerwiec lipiec sierpien wrzesien pazdziernik listopad grudzien",
    "(?:0?[1-9]|1[0-2])月",
)
WEEKDAYS = _any_of(
    "mon(?:day)? tue(?:sday)? wed(?:nesday)? thu(?:rsday)? fri(?:day)? sat(?:urday)? sun(?:day)?",
    "montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag",
    "lundi mardi mercredi jeudi vendredi samedi dimanche lunes martes miercoles jueves viernes sabado domingo",
    "lunedi martedi mercoledi giovedi venerdi sabato domenica maandag dinsdag woensdag donderdag vrijdag zaterdag",
    "zondag [月火水木金土日]曜日?",
)
IMAGES = _any_of("images? imgs? pictures? scans? raw")
MASKS = _any_of("masks? labels? annotations? ground[_-]?truths? gt overlays? seg(?:mentations?)?")
GRADES = _any_of(
    "grade class klasse level stufe type? typ mode kategorie category score bin delam void defect severity"
)
"""Words that stand before a grade or a share, as in ``grade0`` and ``grade10``."""

SHARES = _any_of("% pct percent prozent")
