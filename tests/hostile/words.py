"""What hostile requests are made of: words, values and bytes that broke something somewhere."""

# fmt: off
NESTING = (  # levels; the parsers of msgspec and json give up in between
    10, 500, 1_000, 5_000, 30_000,
)
TEXTS = (  # control characters, look-alikes, paths, markup, versions at their limits, other fields' values
    "", " ", "\x00", "\x1b[31m", "\r\nSet-Cookie: a=b", "\u202e\u2066", "\ufeff", "a\u0300" * 40, "\U0001f4a9" * 9,
    "cоm.example.hostile", "com.example.hostile\u200b", "ＣＯＭ.example.hostile", "com..example", ".com", "com.", "com",
    "../../../../etc/passwd", "%2e%2e%2f", "..\\..\\", "file:///etc/passwd", "http://169.254.169.254/", "C:\\x", "/",
    "<script>alert(1)</script>", "' OR 1=1 --", "${jndi:ldap://x/a}", "{{7*7}}", "%s%n%x", "__proto__", "constructor",
    "builtin", "unknown", "null", "NaN", "true", "0", "-1", "1", "1.0", "1.0.0", "01.02.03", "1.2.3.4", "v1.2.3",
    "1.0.0-" + "a." * 60, "9" * 400, "1." * 200, "9" * 5_000 + ".0.0", "１.２.３", "٣.١.٤", "1e9.0.0", "1.0.0+",
    "-1.0.0", "a" * 36, "a" * 37, "a" * 64, "a" * 129, "a" * 2_000, "é" * 128, "\u0130.\u0131",
    "00009A6B-EEFE-490A-9C60-8E965132AE51", "00000000-0000-0000-0000-000000000000",
    "00009a6b-eefe-490a-9c60-8e965132ae5", "{00009a6b-eefe-490a-9c60-8e96}", "ios", "electron", "web", "android\n",
    "ANDROID", "production", "nobody\x7f", "set", "update_fail", "get", "download_8",
)
RAW_VALUES = (  # what stands where a JSON value should, JSON or not
    "null", "true", "false", "0", "-0", "-1", "1e308", "1e309", "-1e999", "0.1e-999", "9" * 25, "9" * 4_400,
    "9" * 20_000, "NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "0x10", "1_0", "'a'", "undefined", "",
    "\x00", "tru", "[]", "{}", "[[]]", '[null,{"a":[1]}]', '{"toString":1}', '{"":{"":{}}}', '"\\ud800"',
    '"\\udfff\\ud800"', '"\\u0000"', '"a\\', '"\\x41"', '"a\nb"', '"\t"', '"\\u12"', '"\\ud83d\\ude00"', "/*c*/1",
    "1//c", '["a"', '{"a"', '"', "[" * 200,
)
BAD_BYTES = (  # not UTF-8, and marks that are
    b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xfe\xff", b"\x00", b"\xef\xbb\xbf", b"\xe2\x80",
)
RANGES = (  # of a file of 5,000 bytes
    "bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0", "bytes=100-99", "bytes=99999999-", "bytes=0-99999999",
    "bytes=-99999999", "bytes=", "bytes", "bytes=-", "bytes=a-b", "bytes=1-2-3", "bytes=0-1,2-3", "bytes=0-,0-,0-,0-",
    "bytes=,", "bytes=0 - 5", "bytes=" + "9" * 30 + "-", "bytes=0-" + "9" * 5_000, "bytes=" + "0-1," * 900,
    "bytes=+1-5", "bytes=-+5", "bytes=１-２", "Bytes=5-9", "items=0-5", "bytes =0-5", "bytes= 0-5 ", "bytes=0-5;q=1",
    "bytes=0x1-0x5", "bytes=1e1-", "", "\x0b", "0-5", "bytes=4999-", "bytes=5000-", "bytes=5001-", "bytes=-5000",
    "bytes=-5001", "bytes=00000000000000000000100-199",
)
VALIDATORS = (
    "*", '""', '"x"', 'W/"x"', '"' + "a" * 4_000 + '"', "x", '"a", "b"', ",", '"unterminated',
    "Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 99 Foo 9999 99:99:99 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994", "0", "\xff",
)
HEADER_NAMES = (
    "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Connection",
    "Content-Encoding", "Content-Type", "Cookie", "Date", "DNT", "Forwarded", "From", "Host", "If-Match",
    "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Keep-Alive", "Origin", "Pragma",
    "Range", "Referer", "TE", "Trailer", "User-Agent", "Via", "X-Forwarded-For", "X-Forwarded-Host",
    "X-Forwarded-Proto", "X-HTTP-Method-Override", "X-Real-IP", "CF-IPCountry",
)
HEADER_VALUES = (
    "", " ", "a", "*", "gzip", "br;q=0", "gzip;q=nan", "identity;q=0, *;q=0", "127.0.0.1", "evil.example", "close",
    "keep-alive", "text/html", "application/xml", "multipart/form-data; boundary=" + "b" * 80,
    "application/json; charset=utf-7", "x" * 4_000, "\xff\xfe", "é", "a\tb", "\x01", "\x7f", "1.1.1.1, 2.2.2.2",
    "for=\"[::1]\"", "a=b; c=d", "DELETE", "chunked", "-1", "DE",
)
PATH_TRICKS = (
    b"/%2e%2e/%2e%2e/etc/passwd", b"/../../etc/passwd", b"//updates", b"/updates/", b"/./updates",
    b"/updates/..;/stats", b"/%75pdates", b"/UPDATES", b"/updates%00", b"/updates%20", b"/updates\\",
    b"/%c0%ae%c0%ae/", b"/%ff", b"/%", b"/%zz", b"*", b"http://evil.example/updates", b"http://a:b@c:99999/updates",
    b"http:///updates", b"ftp://x/updates", b"//evil.example/x", b"/updates?a=%00&b=%ff", b"/updates#x",
    b"/updates?" + b"a=b&" * 900, b"/" + b"a/" * 1_500, b"/" + b"a" * 7_000, b"/bundles/../../etc/passwd",
    b"/bundles/%2e%2e/zip/x", b"/bundles//zip/", b"/bundles/a.b/zip/%2e%2e%2f%2e%2e", b"/bundles/",
    b"/bundles/com.example.hostile/manifest/" + b"0" * 64, b"/bundles/com.example.hostile/file/" + b"f" * 64,
    b"/bundles/com.example.hostile/zip/" + b"g" * 64, b"/bundles/com.example.hostile/zip/" + b"0" * 65, b"/readyz",
    b"/metrics", b"/updates\xff", b"/\xe2\x80\xae", b"/updates?\xff", b"updates", b"?", b"", b"/ updates",
    b"/updates\t", b"/v1/apps", b"/noop.zip",
)
METHODS = (
    b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"CONNECT", b"PROPFIND", b"PRI",
    b"QUERY",
)
WORSE_METHODS = (
    b"get", b"G\x00T", b"", b"POST POST", b"A" * 200, b"M-SEARCH", b"\xff", b"HTTP/1.1",
)
# In the next two, N is the right number.
LENGTHS = (b"-1", b"+N", b"0x10", b"N, N", b"N 5", b"9" * 30, b"1e3", b"", b"\xb2", b"5;", b"0" * 50 + b"N")
CHUNK_SIZES = (
    b"N", b"0" * 40 + b"N", b"N;a=b", b'N;a="\r\n"', b"-1", b"g", b"f" * 17, b"N ", b"", b"0xN", b"N;" + b"a" * 20_000,
)
CHUNK_ENDS = (
    b"\r\n0\r\n\r\n", b"\n0\n\n", b"0\r\n\r\n", b"\r\n0\r\nTrailer: a\r\n\r\n", b"",
    b"\r\n0\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"\r\n0\r\nContent-Length: 5\r\n\r\n",
)
CODINGS = (
    b"chunked", b"xchunked", b"chunked, identity", b"identity, chunked", b"gzip, chunked", b" chunked", b"chunked\x0b",
    b"CHUNKED", b"chunked, chunked", b"",
)
NEARLY_LENGTH = (b"Content-Length ", b"Content-Length\t", b" Content-Length", b"Content_Length")
LINES = (
    b"A: b\r\n c: d\r\n", b" A: b\r\n", b"A\r\n", b": b\r\n", b"A : b\r\n", b"A: \x00\r\n", b"\xff: b\r\n",
    b"A: b\rC: d\r\n",
    b"A: b\n", b"A: b\r\n" * 60, b"A: b\r\n" * 65, b"A: b\r\n" * 3_000, b"A: " + b"a" * 8_000 + b"\r\n",
    b"A: " + b"a" * 9_000 + b"\r\n", b"A: " + b"a" * 200_000 + b"\r\n", b"a" * 300 + b": b\r\n",
    b"a" * 9_000 + b": b\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"Upgrade: tcp\r\nConnection: Upgrade\r\n",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n", b"Sec-WebSocket-Key1: a\r\n",
    b"Expect: 100-continue\r\n", b"Expect: MARKER\r\n", b"Connection: close\r\n", b"Connection: \x00\r\n",
)
VERSIONS = (
    b"", b" HTTP/1.0", b" HTTP/0.9", b" HTTP/2.0", b" HTTP/9.9", b" HTTP/1.1 ", b" http/1.1", b" HTTP/1.10",
    b" ICY/1.1",
)
HOSTS = (
    b"", b"Host: a\r\nHost: b\r\n", b"Host:\r\n", b"Host: a b\r\n", b"Host: \xff\r\n", b"Host: a@b/\r\n",
    b"Host: [::1\r\n",
)
NOT_HTTP = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 40, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x07" * 64,
    b"GET / HTTP/1.1", b"\r\n", b"\n\n\n\n", b" " * 9_000, b"GET /\r\n", b"SSH-2.0-x\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
)
# fmt: on
