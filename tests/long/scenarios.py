"""SIPp scenarios, put together from their messages."""

_BODY = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=long 53655765 2353687637 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=sendrecv
"""
_EMPTY = "Content-Length: 0\n\n"
_VIA = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"


def _send(text, repeat=True):
    retrans = ' retrans="500"' if repeat else ""
    return f"<send{retrans}><![CDATA[\n{text}\n]]></send>\n"


def recv(what, optional=False, action="", **more):
    kind = "response" if what.isdigit() else "request"
    attributes = "".join(f' {k}="{v}"' for k, v in more.items())
    if optional:
        attributes += ' optional="true"'
    return f'<recv {kind}="{what}"{attributes}>{action}</recv>\n'


def pause(ms):
    return f'<pause milliseconds="{ms}"/>\n'


# ---- the caller's side -------------------------------------------------------------------------------------------

def _request(method, number, uri="sip:[service]@[remote_ip]:[remote_port]", tag="", rest=_EMPTY, via=_VIA, repeat=True):
    text = (f"{method} {uri} SIP/2.0\n{via}"
            + ("" if method in ("INVITE", "CANCEL", "REGISTER") else "[routes]\n")
            + "From: <sip:9[call_number]@[local_ip]:[local_port]>;tag=[pid]c[call_number]\n"
            f"To: <sip:[service]@[remote_ip]:[remote_port]>{tag}\nCall-ID: [call_id]\nCSeq: {number}\n"
            "Contact: <sip:9[call_number]@[local_ip]:[local_port]>\nMax-Forwards: 70\n" + rest)
    return _send(text, repeat)


# One branch for the INVITE, its CANCEL and the ACK to its refusal (RFC 3261 9.1, 17.1.1.3). SIPp's [branch-N] counts
# lines of the scenario, so it is written out.
_INVITE_VIA = _VIA.replace("[branch]", "z9hG4bK-[pid]-[call_number]-i")
INVITE = _request("INVITE", "1 INVITE", via=_INVITE_VIA, rest="Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\n" + _BODY)
PROGRESS = recv("100", optional=True) + recv("180", optional=True) + recv("183", optional=True)
# not [next_url]: SIPp 3.6 gets it wrong when the Contact has a display name
_CONTACT = '<action><ereg regexp="sip:[^>]*" search_in="hdr" header="Contact:" assign_to="contact"/></action>'
ANSWERED = PROGRESS + recv("200", rrs="true", action=_CONTACT) + \
    _request("ACK", "1 ACK", "[$contact]", "[peer_tag_param]", repeat=False)


def refused(code):
    return recv(str(code)) + _request("ACK", "1 ACK", tag="[peer_tag_param]", via=_INVITE_VIA, repeat=False)


def caller(*parts):
    return _scenario("caller", INVITE, *parts)


def hangs_up_after(ms):
    return caller(ANSWERED, pause(ms), _request("BYE", "2 BYE", "[$contact]", "[peer_tag_param]"), recv("200"))


def talks(ms, speak=""):
    """The same with a voice (`speaks`)."""
    return caller(ANSWERED, speak, pause(ms), speak and _nop('rtp_stream="pause"'),
                  _request("BYE", "2 BYE", "[$contact]", "[peer_tag_param]"), recv("200"))


def speaks(path, times):
    """G.711 from a file, 20 ms a packet, so often (-1: until the talk ends)."""
    return _nop(f'rtp_stream="{path},{times},0,PCMU/8000"')


def listed(scenario):
    """A caller whose number comes from -inf, and whose ports are those from which SIPp streams."""
    return scenario.replace("sip:9[call_number]@", "sip:[field0]@").replace("[media_port]", "[rtpstream_audio_port]")


def _nop(action):
    return f"<nop><action><exec {action}/></action></nop>\n"


def stays(speak=""):
    return caller(ANSWERED, speak, recv("BYE"), _answer("200 OK", tag=False))


def gives_up_after(ms):
    return caller(recv("100", optional=True), recv("180"), pause(ms),
                  _request("CANCEL", "1 CANCEL", via=_INVITE_VIA), recv("200"), refused(487))


def is_refused(code):
    return caller(PROGRESS, refused(code))


def registers():
    """One REGISTER with digest; users come from -inf (name;[authentication …])."""
    def register(n, more=""):
        return _send(f"REGISTER sip:[remote_ip]:[remote_port] SIP/2.0\n{_VIA}"
                     "From: <sip:[field0]@[remote_ip]:[remote_port]>;tag=[pid]r[call_number]\n"
                     f"To: <sip:[field0]@[remote_ip]:[remote_port]>\nCall-ID: [call_id]\nCSeq: {n} REGISTER\n"
                     f"Contact: <sip:[field0]@[local_ip]:[local_port]>\nMax-Forwards: 70\nExpires: 600\n{more}{_EMPTY}")
    return _scenario("registers", register(1), recv("401", auth="true"), register(2, "[field1]\n"), recv("200"))


# ---- the phone's side --------------------------------------------------------------------------------------------

def _answer(line, tag=True, body=_EMPTY, repeat=False, cseq="[last_CSeq:]"):
    to = "[last_To:];tag=[pid]p[call_number]" if tag else "[last_To:]"
    contact = "Contact: <sip:phone@[local_ip]:[local_port]>\n" if body != _EMPTY or line.startswith("1") else ""
    return _send(f"SIP/2.0 {line}\n[last_Via:]\n[last_Record-Route:]\n[last_From:]\n{to}\n[last_Call-ID:]\n{cseq}\n"
                 f"{contact}{body}", repeat)


# The router's names, needed for a BYE of our own: who called becomes whom we call.
_OFFERED = recv("INVITE", rrs="true", action=(
    '<action><ereg regexp="[0-9]+" search_in="hdr" header="CSeq:" assign_to="cseq"/>'
    '<ereg regexp="sip:[^>;]*" search_in="hdr" header="Contact:" assign_to="peer"/>'
    '<ereg regexp=".*" search_in="hdr" header="From:" assign_to="from"/>'
    '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="to"/></action>'))
_RINGS = _OFFERED + _answer("180 Ringing")
_ANSWERS = _answer("200 OK", body="Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\n" + _BODY, repeat=True) + recv("ACK")


def phone(*parts):
    # SIPp wants every variable used
    return _scenario("phone", *parts, '<Reference variables="cseq,peer,from,to"/>\n')


def answers_after(ms):
    return phone(_RINGS, pause(ms), _ANSWERS, recv("BYE"), _answer("200 OK", tag=False))


def answers_and_leaves(ms, talk):
    bye = _send("BYE [$peer] SIP/2.0\n" + _VIA + "[routes]\nFrom:[$to];tag=[pid]p[call_number]\nTo:[$from]\n"
                "[last_Call-ID:]\nCSeq: 7 BYE\nMax-Forwards: 70\n" + _EMPTY)
    return phone(_RINGS, pause(ms), _ANSWERS, pause(talk), bye, recv("200"))


def rings_for_ever():
    end = _answer("487 Request Terminated", cseq="CSeq: [$cseq] INVITE", repeat=True)
    return phone(_RINGS, recv("CANCEL", timeout=60000), _answer("200 OK"), end, recv("ACK"))


def refuses(line):
    return phone(_OFFERED, _answer(line, repeat=True), recv("ACK"))


def _scenario(name, *parts):
    return f'<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="{name}">\n{"".join(parts)}</scenario>\n'
