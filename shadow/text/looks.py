"""What personal data looks like in a text, and the words before a number that say what it is."""

# ruff: noqa: E501 (a pattern or a list of words reads better on its line)

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from shadow.text.identifiers import SEP

ROLES: Final = frozenset(
    {"abuse", "accounts", "admin", "billing", "care", "contact", "customercare", "customerservice", "feedback", "hello"}
    | {"help", "helpdesk", "info", "kontakt", "mail", "media", "noreply", "no-reply", "office", "orders", "press"}
    | {"privacy", "returns", "sales", "service", "suporte", "support", "team"}
)
UNSURE_DIGITS: Final = 9
MIN_NAME: Final = 2
NO_PART: Final = frozenset(
    {
        "and",
        "das",
        "dela",
        "della",
        "den",
        "der",
        "des",
        "die",
        "dos",
        "frau",
        "herr",
        "miss",
        "mrs",
        "senhor",
        "senhora",
    }
    | {"señor", "señora", "sir", "the", "van", "von", "und"}
)
BARE_PHONE_DIGITS: Final = {"us": range(10, 12), "trunk": range(9, 13), "area": range(8, 12)}

LINK: Final = re.compile(r"https?://\S{1,500}")
EMAIL: Final = re.compile(r"[\w%][\w.%+'-]{0,63}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
DATE: Final = re.compile(
    r"\d(?<!\d\d)(?:\d{3}[-/.]\d{1,2}[-/.]\d{1,2}|\d?[-/.]\d{1,2}[-/.](?:19|20)\d{2})(?:[T _-]\d{1,2}[:-]\d{2}(?:[:-]\d{2}(?:[.,-]\d{1,6})?)?)?(?![\d])"
)
BIRTH: Final = re.compile(
    r"(?<!\w)(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/. ]\d{1,2}[-/. ]\d{2,4}|\d{1,2}(?:st|nd|rd|th|\.)? (?:de |of )?[^\W\d_]{3,10}\.?,? (?:de )?\d{4}"
    r"|[^\W\d_]{3,10}\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4})(?!\w)"
)
IBAN: Final = re.compile(r"(?<!\w)(?=([A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,34}))")
"""Looks ahead: what follows an IBAN may read as its end."""
IPV4: Final = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
IPV6: Final = re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
VERSION: Final = re.compile(r"(?:version|firmware|release|build|beta|alpha|v)[ .:]{0,2}$", re.IGNORECASE)
CARD: Final = re.compile(
    rf"(?<![\w.+])(?:\d{{12,19}}|\d{{4}}{SEP}{{1,2}}\d{{4}}{SEP}{{1,2}}\d{{4}}{SEP}{{1,2}}\d{{4}}(?:{SEP}\d{{1,3}})?|\d{{4}}{SEP}{{1,2}}\d{{6}}{SEP}{{1,2}}\d{{4,5}})(?![\w])"
)
EXTENSION: Final = r"(?: ?(?:x|ext\.?|#) ?\d{1,6})?"
PHONE: Final = re.compile(
    rf"(?<![\w.+])(?<!\d )(?:(?P<plus>\+{SEP}?\d(?:{SEP}{{0,3}}\d){{6,14}})"
    rf"|(?P<us>(?:1[ .-])?\(?\d{{3}}\)?[ .-]\d{{3}}[ .-]\d{{4}}|\(\d{{3}}\)\d{{3}}[ .-]?\d{{4}})"
    rf"|(?P<trunk>\(?0(?!00)\d{{1,4}}\)?(?:{SEP}{{1,2}}\d{{2,8}}){{1,5}})"
    r"|(?P<area>\(\d{2,5}\) ?\d{3,5}[ .-]\d{3,4})"
    rf"|(?P<three>[1-9]\d{{2}} \d{{3}} \d{{3}})){EXTENSION}(?![\w]|[.,]\d| ?[€$£%])"
)
RUN: Final = re.compile(rf"(?<![\w+])\+?\(?\d(?:{SEP}{{0,3}}\d){{4,40}}{EXTENSION}(?![^\W_])")
TOKEN: Final = re.compile(r"(?<!\w)[A-Za-z]{0,3}-?\d[\dA-Za-z]{0,20}(?:[ ./-]\d[\dA-Za-z]{0,20}){0,6}")
_BETWEEN: Final = f"[A-Za-z{SEP[1:-1]}]{{0,3}}+"
HAS_DIGITS: Final = re.compile(rf"\d(?:{_BETWEEN}\d){{3}}")
_NINO: Final = r"\d ?\d{2} ?\d{2} ?[A-D]\b"
MANY_DIGITS: Final = re.compile(
    rf"\d(?:(?:{_BETWEEN}\d){{6}}|\.\d{{1,3}}\.\d{{1,3}}\.\d"
    rf"|(?<=[A-Z]{{5}}\d)\d{{3}}[A-Z]|(?<=[A-Z]{{2}}\d){_NINO}|(?<=[A-Z]{{2}} \d){_NINO})"
)
"""So many has whatever is found without a word that says what it is. Like :data:`DATE` it begins with the digit that is
looked for, and asks only then what stands before it: the engine passes over all else four times as fast."""
GROUP: Final = re.compile(r"\d+")
AFTER: Final = re.compile(
    r"[ (\u2013-]{0,3}(?:fax|mobile|mobil|cell|phone|tel|telefon|office|home|work)\b", re.IGNORECASE
)


def tree(heads: Iterable[str]) -> str:
    """A pattern for any of ``heads`` that looks at each letter once: a branch for each first letter, and so on."""
    rest: dict[str, list[str]] = {}
    for head in heads:
        rest.setdefault(head[:1], []).append(head[1:])
    if "" in rest:
        return ""
    return "(?:" + "|".join(re.escape(first) + tree(found) for first, found in sorted(rest.items())) + ")"


_HEADS: Final = (
    "aad acc ame anr ans app art auf aus ban bes bir boo bor bsn bur cal car cas cc cel cnh cod col com con cpf cre "
    "cue cur cus d.o dat deb dia dni do. dob dri enc fac fat fax fec fuh füh geb han hot id inv ite iti kar kon kre "
    "kun lig lla llá mas mes mob mon mov móv nac nas nat ne nhs nie nif nin num né núm ord pas pat ped per pes pho "
    "pro rea rec ref rei res rg rin ruc ruf rüc seg sen ser sku sms soc soz ssn ste tar tax tel tex tic tin tra tél "
    "vis vor wha"
)
"""How the words below begin: few words of a text do, and only those are read on."""

SAYING: Final = {
    "phone": (
        r"phones?|telephones?|tel|mobile|cell|fax|calls?|calling|called|dial|sms|whats ?app|text(?: me)?"
        r"|reach (?:me|us|him|her) (?:at|on|under)|messages? to|answering at|ring|hotline|telefon\w{0,8}"
        r"|handy\w{0,7}|mobilnummer|rufnummer|r[uü]ckruf\w{0,6}|anrufen?|telefones?|telem[oó]vel|celular|ligar"
        r"|ligue|tel[eé]fonos?|m[oó]vil|ll[aá]m[ae]\w{0,3}|t[eé]l[eé]phone|mon portable|appel\w{0,4}|telefono"
        r"|cellulare"
    ),
    "national_id": (
        r"ssn|social[ _]security|social[ _]insurance|national[ _]insurance|nino|tax[ _-]?id|tin|itin|nhs"
        r"|passports?|driver'?s?[ _]licen[cs]e|driving[ _]licen[cs]e|identity[ _]card|id[ _]card|national[ _]id"
        r"|steuer-?id\w{0,30}|steueridentifikationsnummer|idnr|sozialversicherungs\w{0,10}|reisepass\w{0,8}"
        r"|personalausweis\w{0,8}|ausweis\w{0,8}|f[uü]hrerschein\w{0,8}|dni|nie|nif|pasaporte|seguridad social"
        r"|carn[eé] de conducir|contribuinte|cpf|rg|cnh|passaporte|carta de condu[cç][aã]o|cart[aã]o de cidad[aã]o"
        r"|permis de conduire|passeport|num[eé]ro de s[eé]curit[eé] sociale|codice fiscale|passaporto|patente|bsn"
        r"|burgerservicenummer|pesel|aadhaar|curp"
    ),
    "birth_date": (
        r"born(?: on)?|birth ?da(?:te|y)|date of birth|d\.?o\.?b|geboren(?: am)?|geburtsdatum|geburtstag"
        r"|data de nascimento|nascid[oa](?: em)?|fecha de nacimiento|nacid[oa](?: el)?|date de naissance"
        r"|n[eé]e? le|data di nascita"
    ),
    "card": (
        r"cards?(?:[ _]number)?|(?:credit|debit|bank)[ _]?cards?(?:[ _]number)?|cc|visa|mastercard|amex"
        r"|kreditkarte\w{0,8}|kartennummer|tarjeta|cart[aã]o|carte"
    ),
    "other": (
        r"orders?|tickets?|cases?|tracking|invoices?|ref(?:erence)?|items?|booking|confirmation|reservation"
        r"|article|sku|serial|bestell\w{0,10}|auftrag\w{0,10}|rechnung\w{0,10}|sendung\w{0,10}|vorgang\w{0,8}"
        r"|pedidos?|encomendas?|fatura|facturas?|reservas?|commande|factures?|colis|protocolo|ordine"
    ),
    "account": r"accounts?|customer|kunden\w{0,10}|conta|cuenta|compte|konto\w{0,8}",
}
"""Words that say of a number what it is."""

_SAYING: Final = "|".join(f"(?P<{kind}>{words})" for kind, words in SAYING.items())
WORDS: Final = re.compile(rf"[\W_](?={tree(_HEADS.split())})(?:{_SAYING})(?![^\W_])")
"""For text in lower case, behind a sign that is no letter; the match has that sign too. Both for speed: to ignore case
takes four times as long, to look back from each letter three times."""

NEAR: Final = {"birth_date": 16, "phone": 28, "national_id": 44, "card": 30, "account": 24, "other": 24}
ID_DIGITS: Final = range(5, 21)
