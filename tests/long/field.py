"""The field on which the long runs are played: a network of its own, the router, SIPp, and what SIPp's logs say."""
import collections, datetime, json, os, re, shutil, signal, socket, subprocess, sys, tempfile, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
ROUTER = ("127.0.0.1", 5060)
CALLERS, PHONES, TRUNK, ASKER = "127.0.0.10", "127.0.0.20", "127.0.0.30", "127.0.0.40"
FIRST_CALLER, FIRST_PHONE = 6000, 7000
T1 = 0.5


def own_network():
    """Runs this program again in a network namespace of its own: its ports are nobody else's, nothing outlives it."""
    if os.environ.get("HUNTLINE_LONG_INSIDE"):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    os.environ["HUNTLINE_LONG_INSIDE"] = "1"
    flags = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.getuid() != 0:
        flags = ["--user", "--map-root-user"] + flags
    os.execvp("unshare", ["unshare", *flags, sys.executable, *sys.argv])


def config(folder, phones, registered=()):
    """An office whose DIDs 2000, 2001 … each lead to one extension with a phone of its own at a fixed address.

    `phones`: for each DID the port of its phone (None: a phone that is never there), its ring time in seconds, and what
    a caller is told where the phone is busy or declines ("busy" or "declined": without it the plan's own end would speak).
    """
    out = [f'''
[site]
name = "Long run"
timezone = "Europe/Moscow"
numbering = {{ country = "7", area = "495", national_prefix = "8", international_prefix = "810" }}
[sip]
listen = ["udp://{ROUTER[0]}:{ROUTER[1]}"]
realm = "long"
local = ["127.0.0.0/8"]
[media]
mode = "relay"
[storage]
directory = "{folder}/data"
[[trunk]]
name = "trunk"
server = "sip:{TRUNK}:5060"
from = ["{CALLERS}/32"]
did_from = "request-uri"
identity_from = ["from"]
''']
    for i, (port, ring, refusal) in enumerate(phones):
        devices = f'[{{ address = "sip:{PHONES}:{port}" }}]' if port else '["sip"]'
        out.append(f'''
[[extension]]
number = "x{i}"
name = "Phone {i}"
password = "secret"
devices = {devices}
call_waiting = true
busy = "refuse:{refusal}"
no_answer = {{ after = "{ring}s", to = "refuse:unavailable" }}
unreachable = "refuse:unavailable"
[[did]]
number = "{2000 + i}"
open = {{ to = "extension:x{i}" }}
''')
    for name in registered:
        out.append(f'[[extension]]\nnumber = "{name}"\nname = "{name}"\npassword = "secret"\n')
    return "".join(out)


class Router:
    def __init__(self, binary, folder, text):
        self.binary, self.folder = os.path.abspath(binary), folder
        self.path = os.path.join(folder, "huntline.toml")
        self.log = os.path.join(folder, "router.log")
        self.write(text)
        self.process = None

    def write(self, text):
        with open(self.path + ".new", "w") as f:
            os.fchmod(f.fileno(), 0o600)
            f.write(text)
        os.replace(self.path + ".new", self.path)

    def start(self, die_at=None):
        """Seconds from the start until it answers an OPTIONS. `die_at` is a point of the journal at which it shall kill
        itself, such as "before_commit:12"; builds without debug assertions take no notice."""
        # By a pipe, and whoever writes its end to the disk: the disk may be slow just where the log says so, and a line that
        # was said before a kill counts.
        log = open(self.log, "a")
        self.scribe = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=log)
        began = time.monotonic()
        more = {"HUNTLINE_DIE_AT": die_at} if die_at else {}
        self.process = subprocess.Popen([self.binary, "serve", "--config", self.path], stdin=subprocess.DEVNULL,
                                        stdout=self.scribe.stdin, stderr=self.scribe.stdin, cwd=self.folder,
                                        env={**os.environ, **more})
        self.scribe.stdin.close()
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((ASKER, 0))
        s.settimeout(0.02)
        for n in range(1000):
            if self.process.poll() is not None:
                raise SystemExit(f"WRONG: the router ended with {self.process.returncode}; see {log.name}")
            s.sendto(f"OPTIONS sip:{ROUTER[0]} SIP/2.0\r\nVia: SIP/2.0/UDP {ASKER}:{s.getsockname()[1]};branch=z9hG4bK{began}{n}\r\n"
                     f"From: <sip:a@{ASKER}>;tag=a{n}\r\nTo: <sip:{ROUTER[0]}>\r\nCall-ID: {began}-{n}@{ASKER}\r\n"
                     f"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n".encode(), ROUTER)
            try:
                s.recv(4096)
                return time.monotonic() - began
            except (socket.timeout, ConnectionRefusedError):
                pass
        raise SystemExit("WRONG: the router does not answer")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.scribe.wait()

    def died(self, limit):
        """Waits until it has killed itself; False where it has not within `limit` seconds."""
        try:
            return self.process.wait(limit) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            return False

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.scribe.wait()
        return code

    def ask(self, *args):
        out = subprocess.run([self.binary, *args, "--config", self.path, "--json"], capture_output=True, text=True,
                             cwd=self.folder, stdin=subprocess.DEVNULL)
        if out.returncode:
            raise SystemExit(f"WRONG: huntline {' '.join(args)} ended with {out.returncode}: {out.stderr}")
        return json.loads(out.stdout)

    def calls(self):
        """All records, by the Call-ID on the caller's side; a Call-ID may wrongly have several."""
        records = collections.defaultdict(list)
        for call in self.ask("calls", "--limit", "0"):
            records[call["sip_call_id"]].append(call)
        return records


def media(port):
    """Where a SIPp with this SIP port takes RTP: it takes a few ports on from there, so they stand well apart."""
    return 30000 + port % 1000 * 20


class Sipp:
    """One SIPp process on a scenario; its message log is what its side saw (an hour's would fill the disk: `log`)."""

    def __init__(self, folder, name, scenario, ip, port, *args, log=True):
        self.name, self.log = name, os.path.join(folder, name + ".messages")
        path = os.path.join(folder, name + ".xml")
        with open(path, "w") as f:
            f.write(scenario)
        self.out = os.path.join(folder, name + ".out")
        cmd = ["sipp", "-sf", path, "-i", ip, "-p", str(port), "-mi", ip, "-mp", str(media(port)), "-nostdin",
               "-timer_resol", "1" if log else "10", "-buff_size", "4194304",
               "-trace_err", "-error_file", os.path.join(folder, name + ".errors"), *args]
        if log:
            cmd += ["-trace_shortmsg", "-shortmessage_file", self.log]
        self.process = subprocess.Popen(cmd, cwd=folder, stdin=subprocess.DEVNULL, stdout=open(self.out, "w"),
                                        stderr=subprocess.STDOUT)

    def wait(self, limit):
        return self.process.wait(limit)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def call(folder, name, scenario, port, did, rate, total, *args, log=True):
    """Callers who dial this DID at this rate."""
    return Sipp(folder, name, scenario, CALLERS, port, f"{ROUTER[0]}:{ROUTER[1]}", "-s", did, "-r", str(rate), "-m", str(total),
                "-l", str(total), "-default_behaviors", "all,-abortunexp", *args, log=log)


class Seen:
    """What one caller saw of a call: times in seconds since 1970."""

    def __init__(self):
        self.began = None        # when the INVITE left
        self.statuses = []       # (time, code) of every response to the INVITE
        self.bye = None          # (time, "caller" or "callee")
        self.gone = None         # when the caller's BYE was answered
        self.cancelled = False

    @property
    def final(self):
        return next(((t, c) for t, c in self.statuses if c >= 200), None)

    @property
    def heard(self):
        """More than 100 Trying."""
        return [c for _, c in self.statuses if c > 100]


def seen(path):
    """SIPp's short message log, by Call-ID; a last line cut short by a kill is left out."""
    out = collections.defaultdict(Seen)
    if not os.path.exists(path):  # killed before it said anything
        return out
    with open(path, errors="replace") as f:
        for line in f:
            p = line.rstrip("\n").split("\t")
            if len(p) < 7 or not line.endswith("\n"):
                continue
            t, way, call_id, cseq, first = float(p[2]), p[3], p[4], p[5], p[6]
            s = out[call_id]
            if way == "S" and first.startswith("INVITE "):
                s.began = s.began or t
            elif way == "R" and first.startswith("SIP/2.0") and cseq.endswith("INVITE"):
                s.statuses.append((t, int(first.split()[1])))
            elif way == "R" and first.startswith("SIP/2.0 200") and cseq.endswith("BYE"):
                s.gone = t
            elif first.startswith("BYE ") and not s.bye:
                s.bye = (t, "caller" if way == "S" else "callee")
            elif first.startswith("CANCEL "):
                s.cancelled = True
    return out


class Suspended:
    """When the router said that the disk is too slow and callers hear it before they are on record (rule 8)."""

    # The alarm and the answers that wait for the disk no longer leave together, but by two threads.
    APART = 0.3

    def __init__(self, log):
        self.spans, self.sheds = [], False
        with open(log, errors="replace") as f:
            for line in f:
                line = re.sub(r"\x1b\[[0-9;]*m", "", line)
                at = lambda: datetime.datetime.fromisoformat(line.split()[0].replace("Z", "+00:00")).timestamp()
                self.sheds |= "overloaded: new calls" in line or "Unrecorded" in line
                if "guarantee suspended" in line:
                    self.spans.append([at(), float("inf")])
                elif ("the disk is on time again" in line or "INFO huntline::diary: started" in line) and self.spans:
                    self.spans[-1][1] = min(at(), self.spans[-1][1])

    def __len__(self):
        return len(self.spans)

    def at(self, t):
        return any(begin - self.APART <= t <= end + self.APART for begin, end in self.spans)


def trunk():
    """The provider's other end, which answers our OPTIONS."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((TRUNK, 5060))

    def answer():
        while True:
            data, peer = s.recvfrom(65536)
            kept = [l for l in data.decode(errors="replace").split("\r\n") if l.split(":")[0].lower() in
                    ("via", "from", "to", "call-id", "cseq")]
            s.sendto("\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""]).encode(), peer)
    threading.Thread(target=answer, daemon=True).start()


def workplace(name):
    return tempfile.mkdtemp(prefix=f"huntline-{name}-")


def verdict(wrong, good, folder, keep):
    """Prints the findings, those that differ only in their figures as one with their number, and ends."""
    alike = collections.defaultdict(list)
    for line in wrong:
        alike[re.sub(r"\d+", "#", line)].append(line)
    for lines in alike.values():
        print(f"  {len(lines)} × {lines[0]}")
    if wrong:
        print(f"WRONG: {len(wrong)} findings; kept {folder}")
        sys.exit(1)
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    print("ok: " + good)
