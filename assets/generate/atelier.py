#!/usr/bin/env python3
"""Makes the files that ship with the built-in company "atelier".

Standard library only, and the same bytes at every run: invoices (PDF), the payment workbook (xlsx), the order to pay
them with what must come out, the banner template (SVG) with its texts (CSV), and the picture for the post (PNG).

    python3 assets/generate/atelier.py [company folder]
"""

import math
import struct
import sys
import zipfile
import zlib
from pathlib import Path
from xml.sax.saxutils import escape

HERE = Path(__file__).resolve().parent
COMPANY = HERE.parent / "companies" / "atelier"

# number, supplier, date, due, lines (text, cents), tax in percent, printed total in cents or None for the true one
INVOICES = [
    ("NP-20417", "Nordlys Paper", "2026-09-01", "2026-10-01", [("Archive paper, 40 reams", 86000), ("Delivery", 4500)], 25, None),
    ("HK-11582", "Harbour Kitchen", "2026-09-02", "2026-09-16", [("Opening night, 60 guests", 141000)], 15, None),
    ("LT-70031", "Lumen and Tide", "2026-09-03", "2026-10-03", [("Track lights, 12 pieces", 238800), ("Dimmer", 19900)], 25, None),
    ("FR-33096", "Frame Republic", "2026-09-04", "2026-10-04", [("Oak frames 50 x 70, 18 pieces", 153000)], 25, None),
    ("VC-58210", "Vale Cleaning", "2026-09-05", "2026-09-19", [("Weekly cleaning, August", 64000)], 25, None),
    # Trap: the printed total is 900 more than net and tax add up to.
    ("KS-90144", "Kestrel Shipping", "2026-09-07", "2026-10-07", [("Crates to Bergen, 3 pieces", 97500), ("Insurance", 12500)], 25, 227500),
    ("OP-61773", "Ostara Print", "2026-09-08", "2026-10-08", [("Catalogue, 400 copies", 312000)], 25, None),
    ("GS-27459", "Glassworks South", "2026-09-09", "2026-10-09", [("Museum glass, 18 panes", 189000)], 25, None),
    # Trap: the same invoice as the fourth, sent a second time.
    ("FR-33096", "Frame Republic", "2026-09-04", "2026-10-04", [("Oak frames 50 x 70, 18 pieces", 153000)], 25, None),
    ("TW-40982", "Tern Web Hosting", "2026-09-10", "2026-09-24", [("Hosting, one year", 52800)], 25, None),
    ("PA-15368", "Pinewood Audio", "2026-09-11", "2026-10-11", [("Audio guide, recording", 118000), ("Editing", 46000)], 25, None),
    ("BM-82605", "Bright Morning Cafe", "2026-09-14", "2026-09-28", [("Staff lunches, August", 37200)], 15, None),
    ("ES-73917", "Elm Street Garage", "2026-09-15", "2026-09-29", [("Van, yearly service", 81500)], 25, None),
    ("CR-24850", "Coral Insurance", "2026-09-16", "2026-10-16", [("Works on loan, third quarter", 264000)], 0, None),
]


def money(cents):
    return f"{cents // 100}.{cents % 100:02d}"


# --- PDF -------------------------------------------------------------------------------------------------------

def pdf_text(x, y, size, text, bold=False):
    safe = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return f"BT /{'F2' if bold else 'F1'} {size} Tf {x} {y} Td ({safe}) Tj ET\n"


def invoice_pdf(number, supplier, date, due, lines, percent, printed):
    net = sum(cents for _, cents in lines)
    tax = net * percent // 100
    total = net + tax if printed is None else printed
    # Small labels above large values, and nothing else on their lines: a reader of the screen then finds each as a
    # thing of its own, where several on one line become one run of text.
    page = "0.94 0.91 0.87 rg 0 0 16 600 re f 0 g\n" + pdf_text(430, 552, 20, "INVOICE")
    y = 564
    for label, value in [("Supplier", supplier), ("Invoice number", number), ("Invoice date", date), ("Due date", due),
                         ("Net amount", money(net)), ("Tax amount", money(tax)), ("Total due", money(total))]:
        page += pdf_text(48, y, 9, label) + pdf_text(48, y - 18, 14, value)
        y -= 51
    y -= 12
    for text, cents in lines:
        page += pdf_text(48, y, 10, text) + pdf_text(480, y, 10, money(cents))
        y -= 20
    y = 90
    for text in ["Bill to: Atelier Gallery, 4 Quay Street", "Please pay before the due date.", "Thank you for your order."]:
        page += pdf_text(48, y, 9, text)
        y -= 16
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /Lang (en) >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 600] /Contents 4 0 R /Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%sendstream" % (len(page), page.encode("ascii")),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
    ]
    out, starts = b"%PDF-1.4\n", []
    for index, body in enumerate(objects, 1):
        starts.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (index, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % start for start in starts)
    return out + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)


# --- workbook --------------------------------------------------------------------------------------------------

ROWS = 40  # rows that carry the status formula
HEADER = ["Number", "Supplier", "Net", "Tax", "Total", "Status", "To pay"]
PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
    '<Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Invoices" sheetId="1" r:id="rId1"/>'
    "</sheets></workbook>",
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/>'
    '<Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    '<numFmts count="1"><numFmt numFmtId="164" formatCode="0.00"/></numFmts>'
    '<fonts count="2"><font><sz val="10"/><name val="Liberation Sans"/></font><font><b/><sz val="10"/><name val="Liberation Sans"/></font></fonts>'
    '<fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
    '<fill><patternFill patternType="solid"><fgColor rgb="FFE6E0D4"/></patternFill></fill></fills>'
    "<borders count=\"1\"><border/></borders><cellStyleXfs count=\"1\"><xf/></cellStyleXfs>"
    '<cellXfs count="3"><xf/><xf fontId="1" fillId="2" applyFont="1" applyFill="1"/><xf numFmtId="164" applyNumberFormat="1"/></cellXfs></styleSheet>',
}


def workbook(path):
    def text(ref, value, style=0):
        return f'<c r="{ref}" s="{style}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'

    def formula(ref, value, style=0, kind=""):
        return f'<c r="{ref}" s="{style}"{kind}><f>{escape(value)}</f></c>'

    head = "".join(text(f"{'ABCDEFG'[i]}1", name, 1) for i, name in enumerate(HEADER))
    head += text("I1", "Amount to pay", 1) + formula("J1", f"SUM(G2:G{ROWS + 1})", 2)
    rows = [f'<row r="1">{head}</row>']
    for row in range(2, ROWS + 2):
        status = (f'IF(A{row}="","",IF(COUNTIF(A$2:A{row},A{row})>1,"duplicate",'
                  f'IF(ABS(C{row}+D{row}-E{row})>0.005,"wrong sum","ok")))')
        cells = "".join(f'<c r="{column}{row}" s="2"/>' for column in "CDE")
        cells += formula(f"F{row}", status, 0, ' t="str"') + formula(f"G{row}", f'IF(F{row}="ok",E{row},0)', 2)
        if row == 2:
            cells += text("I2", "Invoices to pay", 1) + formula("J2", f'COUNTIF(F2:F{ROWS + 1},"ok")')
        if row == 3:
            cells += text("I3", "Held back", 1) + formula("J3", f'COUNTA(A2:A{ROWS + 1})-J2')
        rows.append(f'<row r="{row}">{cells}</row>')
    widths = "".join(f'<col min="{i}" max="{i}" width="{w}" customWidth="1"/>'
                     for i, w in [(1, 12), (2, 22), (3, 10), (4, 10), (5, 10), (6, 12), (7, 10), (8, 3), (9, 16), (10, 12)])
    sheet = ('<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
             f'<cols>{widths}</cols><sheetData>{"".join(rows)}</sheetData></worksheet>')
    declaration = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in {**PARTS, "xl/worksheets/sheet1.xml": sheet}.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), declaration + body, zipfile.ZIP_DEFLATED)


# --- order -----------------------------------------------------------------------------------------------------

ORDER = """id: WO-0001
title: Pay the September invoices
department: finance
objective: OBJ-0001
owner: fenn
procedure: enter-invoices
inputs:
  run: September invoices
  # What the check expects; made together with the invoices.
  numbers: [{numbers}]
  entered: "{entered}"
  due: "{due}"
  duplicate: {duplicate}
  wrong: {wrong}
files: [files/payments.xlsx, files/invoices]
due: 2 hours
"""


def order(path):
    numbers, duplicates, wrong, entered, due = [], [], [], 0, 0
    for number, _, _, _, lines, percent, printed in INVOICES:
        net = sum(cents for _, cents in lines)
        true = net + net * percent // 100
        total = true if printed is None else printed
        entered += total
        if number in numbers:
            duplicates.append(number)
            continue
        numbers.append(number)
        if total != true:
            wrong.append(number)
        else:
            due += total
    [duplicate], [false] = duplicates, wrong
    path.write_text(ORDER.format(numbers=", ".join(numbers), entered=money(entered), due=money(due), duplicate=duplicate, wrong=false))


# --- pictures --------------------------------------------------------------------------------------------------

def png(path, width, height, pixel):
    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(width)) for y in range(height))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def gallery(x, y):
    """A wall at dusk with three frames on it."""
    if y > 400:
        return (92 - (y - 400) // 4, 74 - (y - 400) // 5, 62 - (y - 400) // 6)
    for left, (red, green, blue) in [(80, (196, 86, 58)), (340, (46, 96, 120)), (600, (214, 168, 72))]:
        if left <= x < left + 200 and 90 <= y < 330:
            if x < left + 10 or x >= left + 190 or y < 100 or y >= 320:
                return (58, 44, 34)
            wave = math.sin((x - left) / 26.0) * 30 + math.cos(y / 31.0) * 26
            light = 1.0 if wave > (y - 210) / 4 else 0.72
            return (int(red * light), int(green * light), int(blue * light))
    return (232 - y // 10, 226 - y // 9, 214 - y // 8)


BANNER = """<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="400" viewBox="0 0 1200 400">
  <title>Banner</title>
  <rect id="wall" width="1200" height="400" fill="#efe9df"/>
  <rect id="floor" y="318" width="1200" height="82" fill="#3a4a54"/>
  <circle id="lamp" cx="1020" cy="150" r="104" fill="#d6a848"/>
  <circle id="shade" cx="1066" cy="118" r="82" fill="#efe9df"/>
  <text id="headline" x="72" y="176" font-family="DejaVu Sans" font-weight="bold" font-size="76" fill="#2b2f33">HEADLINE</text>
  <text id="subline" x="74" y="246" font-family="DejaVu Sans" font-size="36" fill="#5b4a3c">SUBLINE</text>
  <text id="place" x="74" y="370" font-family="DejaVu Sans" font-size="28" fill="#efe9df">PLACE</text>
</svg>
"""
TEXTS = """name,headline,subline,place
autumn,Autumn Light,Twelve painters of the north,4 Quay Street
family,Family Sunday,Draw with us from ten to two,The Loft
"""


def main():
    company = Path(sys.argv[1]) if len(sys.argv) > 1 else COMPANY
    files = company / "files"
    for folder in ["invoices", "banners", "post"]:
        (files / folder).mkdir(parents=True, exist_ok=True)
    for index, invoice in enumerate(INVOICES, 1):
        name = invoice[1].lower().replace(" ", "-")
        (files / "invoices" / f"{index:02d}-{name}.pdf").write_bytes(invoice_pdf(*invoice))
    workbook(files / "payments.xlsx")
    order(company / "orders" / "finance.yaml")
    (files / "banners" / "banner.svg").write_text(BANNER)
    (files / "banners" / "texts.csv").write_text(TEXTS)
    png(files / "post" / "autumn-light.png", 880, 480, gallery)


if __name__ == "__main__":
    main()
