"""What an admin sets by hand while calls come in, and what must stand after a kill: whatever was acknowledged."""
import json, os, random, re, socket, sqlite3, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SMS = ("127.0.0.50", 8099)
# What the config needs for it.
CONFIG = f'''
[[schedule]]
name = "hours"
open = ["mon-sun 00:00-24:00"]
[[outbound]]
match = "+7*"
trunks = ["trunk"]
[follow_up]
due = "30m"
[sms]
url = "http://{SMS[0]}:{SMS[1]}/?to={{plain_number}}&id={{id}}&text={{text}}"
method = "GET"
text = "we call back"
'''


class Admin(threading.Thread):
    """Gives one order after the other through the control socket, and remembers what was acknowledged.

    What is under way when the router dies may have been done or not. What it was before, or what it was to be, must then
    stand, and nothing else.
    """

    def __init__(self, folder, chance, extensions, edit):
        super().__init__(daemon=True)
        self.folder, self.chance, self.extensions, self.edit = folder, chance, extensions, edit
        self.acknowledged, self.orders, self.version, self.run_on = {}, 0, None, True
        self.open = {}                 # what an order under way at a kill was to be
        self.refused = []
        self.waits = False             # while what stands is compared
        self.lock = threading.Lock()

    def run(self):
        while self.run_on:
            if self.waits:
                time.sleep(0.01)
                continue
            try:
                with socket.socket(socket.AF_UNIX) as door:
                    door.settimeout(5)
                    door.connect(os.path.join(self.folder, "data", "huntline.sock"))
                    answers = door.makefile()
                    while self.run_on and not self.waits:
                        self.give(door, answers)
                        time.sleep(0.002)
            except (OSError, ValueError):
                time.sleep(0.01)

    def give(self, door, answers):
        thing, stands, order = self.order()
        with self.lock:
            self.open[thing] = self.open.get(thing, set()) | {stands}
        door.sendall(json.dumps({"v": 1, **order}).encode() + b"\n")
        line = answers.readline()
        if not line.endswith("\n"):
            raise OSError("it died")
        answer = json.loads(line)
        with self.lock:
            if "ok" not in answer:
                self.refused.append(f"an order was refused: {order}: {answer}")
                self.open.pop(thing, None)
                return
            self.orders += 1
            self.acknowledged[thing] = answer["ok"]["version"] if thing[0] == "config" else stands
            self.open.pop(thing, None)

    def order(self):
        """What it is about, a piece of text that its row must have (None: no row), and the order."""
        c, who = self.chance, self.chance.choice(self.extensions)
        kind = c.choice(["override", "away", "forward", "blocked", "token", "config"])
        if kind == "override":
            is_open = c.choice([True, False, None])
            stands = None if is_open is None else f'"open":{str(is_open).lower()}'
            return (kind, "hours"), stands, {"ask": "override", "schedule": "hours", "open": is_open, "until": None}
        if kind == "away":
            away = c.random() < 0.5
            return (kind, who), "" if away else None, {"ask": "away", "extension": who, "away": away, "until": None}
        if kind == "forward":
            to = c.choice([None, f"+7916{c.randint(5000000, 5999999)}"])
            return (kind, f"{who} always"), to, {"ask": "forward", "extension": who, "when": "always", "to": to}
        if kind == "blocked":
            number, note = f"+7917{c.randint(0, 99):07d}", f"note-{c.randint(0, 10**9)}"
            blocked = c.random() < 0.6
            return (kind, number), note if blocked else None, {"ask": "block", "number": number, "blocked": blocked, "note": note}
        if kind == "token":
            name = f"token{c.randint(0, 30)}"
            secret = f"{c.getrandbits(256):064x}"
            if self.acknowledged.get((kind, name)):
                return (kind, name), None, {"ask": "revoke_token", "id": name}
            return (kind, name), secret, {"ask": "token", "id": name, "name": name, "scopes": ["calls:read"], "hash": secret}
        self.edit(f"\n# edit {c.getrandbits(64)}\n")
        return ("config", ""), "new", {"ask": "reload"}

    def judge(self, status):
        """Findings after a restart, from the rows of which the router restores itself, and from what it says it stands at."""
        wrong = []
        with self.lock:
            with sqlite3.connect(f"file:{self.folder}/data/huntline.db?mode=ro", uri=True) as db:
                rows = {(kind, name): body for kind, name, body in db.execute(
                    "SELECT kind, name, body FROM state WHERE kind IN ('override', 'away', 'forward', 'blocked', 'token')")}
            fits = lambda stands, row: (row is None) if stands is None else (row is not None and stands in row)
            for thing in set(self.acknowledged) | set(self.open):
                if thing[0] == "config":
                    continue
                may = {self.acknowledged.get(thing)} | self.open.get(thing, set())
                row = rows.get(thing)
                if not any(fits(stands, row) for stands in may):
                    wrong.append(f"acknowledged and lost: {thing} should be one of {may}, its row says {row}")
                # from here on what stands is what stands
                self.acknowledged[thing] = next((s for s in may if fits(s, row)), None)
            self.open.clear()
            away = {a["extension"] for a in status["by_hand"]["away"]}
            should = {name for (kind, name), stands in self.acknowledged.items() if kind == "away" and stands is not None}
            if away != should:
                wrong.append(f"away are {sorted(away)}, should be {sorted(should)}")
        return wrong


class SmsProvider(threading.Thread):
    """Takes SMS, and remembers which."""

    def __init__(self):
        super().__init__(daemon=True)
        self.taken = taken = {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                to, id_ = re.search(r"to=(\d+)", self.path)[1], re.search(r"id=([^&]*)", self.path)[1]
                taken.setdefault(to, []).append(id_)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"OK")

            def log_message(self, *_):
                pass
        class Server(ThreadingHTTPServer):
            def handle_error(self, *_):  # whoever asked was killed
                pass
        self.server = Server(SMS, Handler)

    def run(self):
        self.server.serve_forever()


def judge_desk(folder, provider, patience=60):
    """Findings: each missed customer has a promise to be called back, and an SMS that arrived; figures."""
    wrong, end = [], time.monotonic() + patience
    db = sqlite3.connect(f"file:{folder}/data/huntline.db?mode=ro", uri=True)
    waiting = "SELECT count(*) FROM outbox WHERE kind = 'sms' AND due IS NOT NULL"
    while db.execute(waiting).fetchone()[0] and time.monotonic() < end:
        time.sleep(0.5)
    missed = db.execute("SELECT count(*) FROM call WHERE missed IS NOT NULL AND ended IS NOT NULL").fetchone()[0]
    alone = db.execute("SELECT count(*) FROM call WHERE missed IS NOT NULL AND direction = 'inbound' AND id NOT IN (SELECT call FROM follow_up) "
                       "AND id NOT IN (SELECT call FROM follow_up_comment WHERE call IS NOT NULL)").fetchone()[0]
    if alone:
        wrong.append(f"{alone} missed calls have no follow-up")
    untold = db.execute("SELECT count(*) FROM call WHERE missed IS NOT NULL AND direction = 'inbound' AND from_number IS NOT NULL AND "
                        "from_number NOT IN (SELECT CAST(replace(target, '+', '') AS INTEGER) FROM outbox WHERE kind = 'sms')").fetchone()[0]
    if untold:
        wrong.append(f"{untold} missed callers have no SMS")
    rows = db.execute("SELECT target, sent, error FROM outbox WHERE kind = 'sms'").fetchall()
    late = [row for row in rows if row[1] is None]
    if late:
        wrong.append(f"{len(late)} SMS were not sent within {patience} s, such as {late[0]}")
    never = [row for row in rows if row[1] is not None and row[0].lstrip("+") not in provider.taken]
    if never:
        wrong.append(f"{len(never)} SMS are marked as sent and never came")
    twice = sum(len(ids) > 1 for ids in provider.taken.values())
    other = sum(len(set(ids)) > 1 for ids in provider.taken.values())
    if other:
        wrong.append(f"{other} SMS came twice under two names")
    return wrong, f"{missed} missed calls with their follow-ups, {len(rows)} SMS, {twice} of which came twice under one name"
