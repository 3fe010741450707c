"""Keys of a customer: what is written differently and means the same, and what must stay apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.policy.identity import KEYS, company_name, email_domains, emails, phones, tax_id, telling_parts

SAME_NAME = [
    [
        "Acme, Inc.",
        "ACME INC",
        "acme co., ltd.",
        "Acme Co.,Ltd",
        "Acme L.L.C.",
        "Ａｃｍｅ　Ｌｔｄ",
        "Acme Group",
    ],
    ["Müller GmbH & Co. KG", "Muller GmbH", "MÜLLER  AG"],
    ["Total S.A.", "Total S. A.", "TOTAL SA"],
    ["Grupo Bimbo, S.A.B. de C.V.", "Grupo Bimbo"],
    ["Novo Nordisk A/S", "Novo Nordisk"],
    ["Johnson & Johnson", "Johnson and Johnson, Inc."],
    ["J. P. Morgan Ltd", "JP Morgan"],
    ["O'Reilly Limited", "O’Reilly", "OReilly"],
    ["Tata Private Limited", "Tata Pvt. Ltd."],
    ["华为技术有限公司", "华为技术股份有限公司", "华为技术有限责任公司", "华为技术", " 华为 技术 有限公司"],
    ["上海电气集团股份有限公司", "上海电气（集团）有限公司", "上海电气"],
    ["華為技術集團有限公司", "華為技術有限責任公司", "華為技術"],
    ["阿里巴巴（中国）有限公司北京分公司", "阿里巴巴(中国)北京分公司"],
    ["上海新源投资中心（有限合伙）", "上海新源投资中心"],
    ["㈱日立製作所", "株式会社日立製作所", "日立製作所（株）", "日立製作所"],
    ["삼성전자 주식회사", "삼성전자㈜", "삼성전자"],
    ["ABC 科技（上海）有限公司", "ａｂｃ科技上海"],
]

DIFFERENT_NAMES = [
    "中国工商银行股份有限公司北京分公司",
    "中国工商银行股份有限公司上海分公司",
    "中国工商银行股份有限公司",
    "华为技术（深圳）有限公司",
    "华为技术（北京）有限公司",
    "华为技术有限公司",
    "上海电气总公司",
    "上海电气有限公司",
    "北京第一建筑有限公司",
    "北京第二建筑有限公司",
    "Acme Tools Ltd.",
    "Acme Ltd.",
    "Acme Tools Europe Ltd.",
    "Acme Plant 1",
    "Acme Plant 2",
    "ガス株式会社",
    "カス株式会社",
]


@pytest.mark.parametrize("names", SAME_NAME, ids=lambda names: names[0])
def test_names_that_differ_in_form_alone_are_one(names: list[str]) -> None:
    assert len({*map(company_name, names)}) == 1, [*map(company_name, names)]


def test_different_companies_stay_apart() -> None:
    assert len({*map(company_name, DIFFERENT_NAMES)}) == len(DIFFERENT_NAMES)
    firsts = [names[0] for names in SAME_NAME]
    assert len({*map(company_name, firsts)}) == len(firsts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-",
        "有限公司",
        "公司",
        "集团有限公司",
        "Co., Ltd.",
        "Limited",
        "N/A",
        "无",
        "测试有限公司",
        "A",
        "xxx",
    ],
)
def test_what_names_nobody_is_no_key(text: str) -> None:
    assert company_name(text) is None


@given(st.text(max_size=30))
def test_case_width_and_blanks_make_no_other_name(text: str) -> None:
    spaced = f" {text} "
    assert company_name(spaced) == company_name(text)
    name = company_name(text)
    assert name is None or (name.isalnum() and name == name.casefold())


SAME_PHONE = [
    [
        "13912345670",
        "139-1234-5670",
        "+86 139 1234 5670",
        "0086-13912345670",
        "８６13912345670",
        "(+86)13912345670",
    ],
    [
        "010-65529988",
        "(010) 6552 9988",
        "+86 (0)10 6552 9988",
        "86-10-65529988",
        "010-65529988-801",
        "010-65529988 转 801",
        "010-65529988 分机801",
        "01065529988 ext. 801",
        "010-65529988 x801",
        "010-65529988#801",
    ],
    ["0755-26771234", "+86 755 2677 1234"],
    ["400-810-8888", "4008108888", "400-810-8888-2"],
    ["+44 (0)20 7946 0958", "0044 20 7946 0958", "+442079460958"],
    ["+1 (415) 555-2671", "001 415 555 2671 ext 9"],
]


@pytest.mark.parametrize("numbers", SAME_PHONE, ids=lambda numbers: numbers[0])
def test_numbers_that_are_written_differently_are_one(numbers: list[str]) -> None:
    keys = {*map(phones, numbers)}
    assert len(keys) == 1, [*map(phones, numbers)]
    assert len(keys.pop()) == 1


def test_different_numbers_stay_apart() -> None:
    firsts = [numbers[0] for numbers in SAME_PHONE]
    assert len({*map(phones, firsts)}) == len(firsts)
    assert phones("010-65529988") != phones("021-65529988")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "6552 9988",
        "13800138000",
        "13800000000",
        "10000000000",
        "00000000",
        "123",
        "+86",
        "无",
        "٠١٢٣٤٥٦٧٨٩٠",
    ],
)
def test_what_reaches_anybody_or_nobody_is_no_number(text: str) -> None:
    assert phones(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "13912345670/010-65529988",
        "13912345670, 010-65529988",
        "13912345670、01065529988",
        "13912345670 01065529988",
    ],
)
def test_a_cell_may_hold_two_numbers(text: str) -> None:
    assert phones(text) == ("+8613912345670", "+861065529988")


def test_numbers_without_country_code_belong_to_the_declared_country() -> None:
    assert phones("415-555-2671", "1") == phones("1-415-555-2671", "1") == phones("+1 415 555 2671") != ()
    assert phones("030/1234560", "49") == phones("+49 30 1234560") != ()


@pytest.mark.parametrize(
    ("text", "domains"),
    [
        ("wang@huawei.com", ("huawei.com",)),
        ("Wang Fang <WANG@Huawei.COM>", ("huawei.com",)),
        ("a@acme.com; b@acme.co.uk", ("acme.com", "acme.co.uk")),
        ("a@例子.中国", ("例子.中国",)),
        ("a@mail.acme.com", ("mail.acme.com",)),
        ("a@qq.com", ()),
        ("a@vip.163.com", ()),
        ("a@Gmail.com", ()),
        ("a@yahoo.co.jp", ()),
        ("a@hotmail.fr", ()),
        ("a@live.acme.com", ("live.acme.com",)),
        ("a@localhost", ()),
        ("none", ()),
    ],
)
def test_the_domain_of_an_address_unless_anybody_can_have_it(text: str, domains: tuple[str, ...]) -> None:
    assert email_domains(text) == domains


def test_addresses_themselves_count_at_public_providers_too() -> None:
    assert emails("Li@QQ.com") == ("li@qq.com",)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        # The codes are those on the companies' own imprints.
        ("914403001922038216", "914403001922038216"),
        ("9144 0300 1922 0382 16", "914403001922038216"),
        ("9144030071526726xg", "9144030071526726XG"),
        ("９１３３０１００７９９６５５０５８Ｂ", "91330100799655058B"),
        ("914403001922038217", None),
        ("91440300I922038216", None),
        ("000000000000000000", None),
        ("440301192203821", "440301192203821"),
        ("DE 136 695 976", "DE136695976"),
        ("94-2404110", "942404110"),
        ("12-3456789", None),
        ("111111111", None),
        ("DE", None),
        ("无", None),
        ("", None),
    ],
)
def test_tax_numbers(text: str, key: str | None) -> None:
    assert tax_id(text) == key


@given(st.integers(0, 16), st.sampled_from("0123456789ABCDEFGHJKLMNPQRTUWXY"))
def test_one_mistyped_character_of_a_credit_code_is_noticed(place: int, character: str) -> None:
    code = "914403001922038216"
    mistyped = code[:place] + character + code[place + 1 :]
    assert (tax_id(mistyped) is None) == (mistyped != code)


@given(st.sampled_from([*KEYS]), st.text(max_size=40))
def test_any_text_has_keys_or_none_and_the_same_each_time(kind: str, text: str) -> None:
    keys = KEYS[kind](text, "86")  # type: ignore[index]
    assert keys == KEYS[kind](text, "86")  # type: ignore[index]
    assert len({*keys}) == len(keys)
    assert all(keys)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("中国石化北京第一分公司", "中国石化北京第二分公司"),
        ("大众汽车北京销售", "大众汽车上海销售"),
        ("acmeplant12", "acmeplant21"),
        ("华东电子商务", "华南电子商务"),
        ("东方红建筑材料", "西方红建筑材料"),
    ],
)
def test_places_directions_and_numbers_tell_companies_apart(one: str, other: str) -> None:
    assert telling_parts(one) != telling_parts(other)
