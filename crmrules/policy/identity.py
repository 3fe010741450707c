"""What tells that two records are about the same customer: exact keys from what people typed.

Each function takes a text and gives the key that equal customers share, or nothing where the text is no
evidence. What is stripped is form only (case, width, punctuation, legal suffix, trunk prefix): a place, a
number or a branch in a name stays, so that two companies of one group remain two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from operator import mul
from typing import Literal

Kind = Literal["tax_id", "phone", "email", "email_domain", "name"]

# tax numbers

_CODE_VALUES = {character: value for value, character in enumerate("0123456789ABCDEFGHJKLMNPQRTUWXY")}
_CODE_WEIGHTS = tuple(pow(3, position, 31) for position in range(17))
_RUN = "01234567890123456789"


def tax_id(text: str) -> str | None:
    """The tax number: letters and digits alone, in capitals.

    A number of 18 characters is a Chinese unified social credit code (统一社会信用代码, GB 32100-2015) and
    needs the right check character; all others (VAT, EIN, the older 15 digits) need 8 to 20 characters
    with at least six digits. What is mistyped or a placeholder is no evidence.

    >>> tax_id("９１４４０３００ 1922038216"), tax_id("DE 136 695 976"), tax_id("914403001922038217")
    ('914403001922038216', 'DE136695976', None)
    """
    code = (text if text.isascii() else unicodedata.normalize("NFKC", text)).upper()
    if not code.isalnum():
        code = "".join(filter(str.isalnum, code))
    if not code.isascii() or not 8 <= len(code) <= 20:
        return None
    if len(code) == 18:
        return code if _is_credit_code(code) else None
    digits = "".join(filter(str.isdecimal, code))
    return None if len(digits) < 6 or _is_placeholder(digits) else code


def _is_credit_code(code: str) -> bool:
    try:
        values = [_CODE_VALUES[character] for character in code]
    except KeyError:
        return False
    return values[17] == -sum(map(mul, values, _CODE_WEIGHTS)) % 31 and any(values)


def _is_placeholder(digits: str) -> bool:
    return len({*digits}) == 1 or digits in _RUN or digits in _RUN[::-1]


# telephone numbers

_EXTENSION = re.compile(r"(?:\bext(?:ension|n)?\b|(?<=\d)\s*x|转|轉|分机|分機|#)[\s.:]*\d+.*\Z")
_DASHED_EXTENSION = re.compile(r"(0\d{2,3}[-\s]?\d{7,8}|[48]00[-\s]?\d{3}[-\s]?\d{4})-\d{1,6}\Z")
_MOBILE = re.compile(r"(?:\+?86[- ]?)?(1[3-9]\d)[- ]?(\d{4})[- ]?(\d{4})\Z", re.ASCII)
_APART = re.compile(r"[;,、|\n]")
_EXAMPLE_NUMBER = "13800138000"


def phones(text: str, country: str = "86") -> tuple[str, ...]:
    """The telephone numbers in a text, each with country code: `+8613812345678`.

    country: the code of numbers that are written without one. Extensions are cut: they lead into the same
    company. A local number without its area code could be anybody's and is no evidence, nor are
    placeholders such as 13800000000.

    >>> phones("0086 138-1234-5678"), phones("(010) 6552 9988 转 801; 400-810-8888")
    (('+8613812345678',), ('+861065529988', '+864008108888'))
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    if country == "86" and (mobile := _MOBILE.match(plain)):
        number = _national("".join(mobile.groups()), country)
        return () if number is None else (number,)
    numbers = [_phone(part.strip(), country) for part in _parts(plain.casefold())]
    return tuple(dict.fromkeys(number for number in numbers if number is not None))


def _parts(text: str) -> list[str]:
    parts: list[str] = []
    for part in _APART.split(text):
        for mark, least in (("/", 7), (None, 10)):
            around = part.split(mark)
            # 030/1234567 is one number, 65529988/65529989 are two.
            if len(around) > 1 and all(sum(map(str.isdecimal, each)) >= least for each in around):
                parts += around
                break
        else:
            parts.append(part)
    return parts


def _phone(text: str, country: str) -> str | None:
    text = _EXTENSION.sub("", text).strip()
    if country == "86" and text.count("-") > 1:
        text = _DASHED_EXTENSION.sub(r"\1", text)
    if text.startswith(("+", "00", "(+")):
        text = text.replace("(0)", "").lstrip("(+")
        digits = _digits(text).removeprefix("00")
        if digits.startswith(country):
            return _national(digits[len(country) :], country)
        return f"+{digits}" if 8 <= len(digits) <= 15 and len({*digits[-7:]}) > 1 else None
    return _with_country(_digits(text), country)


def _digits(text: str) -> str:
    return "".join(character for character in text if character in _RUN)


def _with_country(digits: str, country: str) -> str | None:
    if digits.startswith("00"):
        return _phone(f"+{digits[2:]}", country)
    whole = {"86": 12, "1": 11}.get(country)
    if whole is not None and len(digits) >= whole and digits.startswith(country):
        digits = digits[len(country) :]
    return _national(digits, country)


def _national(digits: str, country: str) -> str | None:
    number = digits.lstrip("0")
    shortest, longest = (10, 11) if country == "86" else (8, 12)
    if not shortest <= len(number) <= longest or number == _EXAMPLE_NUMBER:
        return None
    return None if len({*number[-7:]}) == 1 or _is_placeholder(number) else f"+{country}{number}"


# e-mail addresses

_ADDRESS = re.compile(r"[^\s@,;<>()\[\]]+@((?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_]{2,})")
_FAMILY = re.compile(
    r"(?:gmx|hotmail|live|outlook|rocketmail|yahoo|yandex|ymail)\.(?:com|net|[a-z]{2}|com?\.[a-z]{2})\Z"
)
_PUBLIC_MAIL_TEXT = """
126.com 139.com 163.com 163.net 188.com 189.cn 21cn.com 263.net aliyun.com foxmail.com qq.com
sina.cn sina.com sina.com.cn sohu.com tom.com wo.cn yeah.net aol.com att.net bellsouth.net
btinternet.com comcast.net cox.net daum.net docomo.ne.jp duck.com ezweb.ne.jp fastmail.com free.fr
freenet.de gmail.com googlemail.com hanmail.net hey.com icloud.com inbox.ru laposte.net libero.it
list.ru mac.com mail.com mail.ru me.com msn.com naver.com orange.fr outlook.com passport.com pm.me
proton.me protonmail.com rediffmail.com sbcglobal.net shaw.ca softbank.ne.jp t-online.de
tutanota.com verizon.net virgilio.it wanadoo.fr web.de zoho.com
"""
PUBLIC_MAIL = frozenset(_PUBLIC_MAIL_TEXT.split())
"""Providers whose addresses anybody can have: an address there says nothing about the company."""


def emails(text: str) -> tuple[str, ...]:
    """The e-mail addresses in a text, in small letters.

    >>> emails("Wang Fang <Wang.Fang@Example.CN>")
    ('wang.fang@example.cn',)
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    return tuple(dict.fromkeys(found.group() for found in _ADDRESS.finditer(plain)))


def email_domains(text: str) -> tuple[str, ...]:
    """The companies' own domains of the addresses in a text; public providers are no evidence.

    >>> email_domains("wang@huawei.com; wang@qq.com")
    ('huawei.com',)
    """
    domains = dict.fromkeys(address.rpartition("@")[2] for address in emails(text))
    return tuple(domain for domain in domains if not is_public_mail(domain))


def is_public_mail(domain: str) -> bool:
    """Whether anybody can have an address there: qq.com, vip.163.com, yahoo.co.jp."""
    domain = domain.removeprefix("vip.")
    return domain in PUBLIC_MAIL or _FAMILY.match(domain) is not None


# names

_LEGAL_WORDS_TEXT = """
co company companies corp corporation inc incorporated limited llc llp lllp lp ltd plc pllc ab ag
aps as asa bhd bv bvba cv doo eirl ek eurl ev gbr ges gesmbh gmbh group gk jsc kft kg kgaa kk lda
ltda mbh nv ohg ojsc ooo oy oyj pjsc pte pty pvt sa sab sae sarl sas scs sdn se sl slu snc spa spzoo
sro srl tbk ug vof zao
"""
_LEGAL_WORDS = frozenset(_LEGAL_WORDS_TEXT.split())
_BETWEEN_LEGAL_WORDS = frozenset({"and", "de", "liability", "private", "public"})
_LEADING = frozenset({"株", "有", "주", "유"})
_INITIALS = re.compile(r"(?<![^\W_])(?:[a-z][./]\s?){2,}|(?<![^\W_])(?:[a-z][./])+[a-z](?![^\W_])")
_ACCENTED = re.compile(r"[\u00c0-\u024f\u1e00-\u1eff]")
_ACCENTS = re.compile(r"(?<=[a-z])[\u0300-\u036f]+")
_WORDS = re.compile(r"[^\W_]+")
_LEGAL_START = re.compile(r"(?:株式会社|有限会社|合同会社|주식회사|유한회사)")
_LEGAL_END = re.compile(
    r"(?:(?:股份|责任|責任)?有限(?:责任|責任)?公司|股份公司|(?:有限|普通)合伙|集团|集團|株式会社|有限会社"
    r"|合同会社|주식회사|유한회사|(?<![分总總子母支])公司)\Z"
)
_BRANCH_END = re.compile(r"(?:分公司|分店|分行|支行|分厂|分廠|分部|办事处|辦事處|事业部|事業部)\Z")
_LEGAL_INSIDE = re.compile(r"(?:股份)?有限(?:责任|責任)?公司")
_NO_NAMES_TEXT = """
个人 個人 公司 集团 集團 无 無 暂无 未知 未填 测试 測試 na none null test tbd unknown private xx xxx
"""
_NO_NAMES = frozenset(_NO_NAMES_TEXT.split())


def company_name(text: str) -> str | None:
    """The name without case, width, spaces, accents, punctuation and legal form.

    Legal forms are cut at the end alone (有限公司, 股份有限公司, 集团; Co., Ltd., Inc., GmbH & Co. KG, S.A.),
    in a branch's name before the branch; places, numbers and branches stay. Traditional and simplified
    characters are different names, apart from the legal form.

    >>> company_name("Ｈｕａｗｅｉ Technologies Co., Ltd."), company_name("华为技术（深圳）有限公司")
    ('huaweitechnologies', '华为技术深圳')
    >>> company_name("工商银行股份有限公司北京分公司") == company_name("工商银行股份有限公司上海分公司")
    False
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    plain = plain.casefold()
    if _ACCENTED.search(plain):
        plain = unicodedata.normalize("NFKC", _ACCENTS.sub("", unicodedata.normalize("NFKD", plain)))
    if not plain.isalnum():
        plain = _INITIALS.sub(_joined, plain.replace("&", " and ").replace("'", "").replace("’", ""))
        plain = "".join(_without_legal_words(_WORDS.findall(plain)))
    name = _without_legal_end(plain)
    if len(name) < 2 or name in _NO_NAMES or name in _LEGAL_WORDS or len({*name}) == 1:
        return None
    return name


def _joined(initials: re.Match[str]) -> str:
    return "".join(filter(str.isalpha, initials.group())) + " "


def _without_legal_words(words: list[str]) -> list[str]:
    while len(words) > 1 and words[0] in _LEADING:
        words = words[1:]
    end = len(words)
    while end > 1 and (
        words[end - 1] in _LEGAL_WORDS
        or words[end - 1] in _LEADING
        or (end < len(words) and words[end - 1] in _BETWEEN_LEGAL_WORDS)
    ):
        end -= 1
    return words[:end]


def _without_legal_end(name: str) -> str:
    if name.isascii():
        return name
    if _BRANCH_END.search(name):
        return _LEGAL_INSIDE.sub("", name, count=1)
    while (found := _LEGAL_END.search(name)) and found.start() != 1:
        name = name[: found.start()]
    start = _LEGAL_START.match(name)
    return name[start.end() :] if start else name


# near-identical names

_PLACES = """
北京 天津 上海 重庆 重慶 河北 山西 内蒙古 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南
湖北 湖南 广东 广西 海南 四川 贵州 云南 西藏 陕西 甘肃 青海 宁夏 新疆 香港 澳门 台湾 臺灣
深圳 广州 杭州 南京 苏州 无锡 宁波 温州 成都 武汉 西安 郑州 长沙 济南 青岛 大连 沈阳 长春
哈尔滨 石家庄 太原 合肥 福州 厦门 泉州 南昌 南宁 海口 昆明 贵阳 兰州 西宁 银川 乌鲁木齐 呼和浩特 拉萨
东莞 佛山 珠海 惠州 常州 南通 徐州 扬州 嘉兴 绍兴 台州 烟台 潍坊 洛阳 唐山 保定
华东 华南 华北 华中 西南 西北 东北
"""
_TELLING = re.compile("|".join([*_PLACES.split(), r"\d+", "[零〇一二三四五六七八九十百]+", "[东西南北東]"]))


def telling_parts(name: str) -> str:
    """What two near-identical names must have in common: places, directions and numbers, in their order.

    Names that differ in them are two companies however alike: 第一建筑 and 第二建筑, Plant 12 and Plant 21.

    >>> telling_parts(company_name("中国石化北京第一分公司")), telling_parts("plant12")
    ('北京 一', '12')
    """
    return " ".join(_TELLING.findall(name))


KEYS: Mapping[Kind, Callable[[str, str], tuple[str, ...]]] = {
    "tax_id": lambda text, country: _one(tax_id(text)),
    "phone": phones,
    "email": lambda text, country: emails(text),
    "email_domain": lambda text, country: email_domains(text),
    "name": lambda text, country: _one(company_name(text)),
}
"""For each kind of key, from a text (and the country code of its telephone numbers) to its keys."""


def _one(key: str | None) -> tuple[str, ...]:
    return () if key is None else (key,)
