package realdevice;

import androidx.work.WorkManager;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.net.HttpURLConnection;
import java.net.URL;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import okhttp3.Interceptor;
import okhttp3.MediaType;
import okhttp3.OkHttpClient;
import okhttp3.OkUrlFactory;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.ResponseBody;
import okio.Buffer;
import okio.BufferedSource;
import okio.ForwardingSource;
import okio.Okio;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.json.JSONTokener;

/** Watches the plugin's HTTP clients: request log, stats events, byte counts, loopback guard and --abort-after. */
final class Meter {
    static final class Req {
        final long at = System.currentTimeMillis();
        String kind, method, url, range, agent, contentRange;
        String body; // of everything but files
        volatile int status;
        volatile String error;
        final AtomicLong bytes = new AtomicLong();
    }

    static String updateUrl, statsUrl, channelUrl;
    static long abortAfter = -1;
    static String abortHow = "error";
    static volatile boolean aborted;
    static volatile String lastAnswer;
    static volatile int lastAnswerStatus;
    static volatile long lastActivity = System.currentTimeMillis();

    private static final List<Req> requests = new ArrayList<>();
    private static final List<JSONObject> stats = new ArrayList<>();
    private static final AtomicLong budget = new AtomicLong(Long.MAX_VALUE);
    private static volatile long downUntil;

    static List<Req> requests() { synchronized (requests) { return new ArrayList<>(requests); } }
    static List<JSONObject> stats() { synchronized (stats) { return new ArrayList<>(stats); } }

    static long downloaded() {
        return requests().stream().filter((r) -> r.kind.equals("file")).mapToLong((r) -> r.bytes.get()).sum();
    }

    static void install() {
        if (abortAfter >= 0) budget.set(abortAfter);
        WorkManager.workerCreated = (w) -> instrument(w, w.getClass());
        // Android's own HttpURLConnection is a fork of OkHttp's OkUrlFactory, so use OkHttp's here too.
        OkUrlFactory factory = new OkUrlFactory(new OkHttpClient());
        URL.setURLStreamHandlerFactory((protocol) -> {
            if (!protocol.equals("http") && !protocol.equals("https")) return null;
            return new java.net.URLStreamHandler() {
                @Override protected java.net.URLConnection openConnection(URL u) { return new Huc(u, factory.open(u)); }
                @Override protected int getDefaultPort() { return protocol.equals("http") ? 80 : 443; }
            };
        });
    }

    /** Adds the two interceptors below to every OkHttpClient field of the plugin's class or object. */
    static void instrument(Object target, Class<?> type) {
        for (Class<?> c = type; c != null && c != Object.class; c = c.getSuperclass()) {
            for (Field f : c.getDeclaredFields()) {
                if (f.getType() != OkHttpClient.class) continue;
                boolean isStatic = Modifier.isStatic(f.getModifiers());
                if (!isStatic && target == null) continue;
                try {
                    f.setAccessible(true);
                    OkHttpClient client = (OkHttpClient) f.get(target);
                    if (client == null || client.networkInterceptors().contains(WIRE)) continue;
                    f.set(target, client.newBuilder().addInterceptor(BODY).addNetworkInterceptor(WIRE).build());
                } catch (ReflectiveOperationException e) {
                    throw new IllegalStateException("cannot watch " + f, e);
                }
            }
        }
    }

    private static String kind(String url) {
        String u = plain(url);
        if (u.equals(plain(updateUrl))) return "check";
        if (u.equals(plain(statsUrl))) return "stats";
        if (u.equals(plain(channelUrl))) return "channel";
        if (u.equals(plain(updateUrl) + "/manifest_size")) return "size";
        return "file";
    }

    private static String plain(String url) { return url.split("\\?", 2)[0]; }

    private static Req begin(String method, String url, String range) throws IOException {
        Req r = new Req();
        r.kind = kind(url);
        r.method = method;
        r.url = url;
        r.range = range;
        synchronized (requests) { requests.add(r); }
        lastActivity = System.currentTimeMillis();
        loopbackOnly(url);
        if (r.kind.equals("file") && System.currentTimeMillis() < downUntil) throw fail(r, "Network is unreachable (--abort-after)");
        return r;
    }

    private static void loopbackOnly(String url) throws IOException {
        String host = new URL(url).getHost();
        if (!host.matches("localhost|127\\.[0-9.]+|\\[?::1]?")) throw new IOException("realdevice only talks to the loopback interface, not to " + host);
    }

    private static IOException fail(Req r, String why) {
        r.error = why;
        return new IOException(why);
    }

    /** Grants up to n bytes of file body; 0 means the pretend network has just gone. */
    private static int grant(Req r, int n) throws IOException {
        lastActivity = System.currentTimeMillis();
        if (!r.kind.equals("file")) return n;
        while (true) {
            long left = budget.get();
            if (left <= 0) {
                cut();
                throw fail(r, "Connection reset (--abort-after)");
            }
            int take = (int) Math.min(n, left);
            if (budget.compareAndSet(left, left - take)) return take;
        }
    }

    private static void used(Req r, int granted, long got) {
        if (r.kind.equals("file") && granted > Math.max(got, 0)) budget.addAndGet(granted - Math.max(got, 0));
        if (got > 0) r.bytes.addAndGet(got);
    }

    private static synchronized void cut() {
        if (aborted) return;
        aborted = true;
        if (abortHow.equals("kill")) Runtime.getRuntime().halt(137);
        if (abortHow.equals("stop")) { // connectivity lost, then back: WorkManager stops the job and runs it again
            downUntil = System.currentTimeMillis() + 200;
            WorkManager.getInstance(null).interruptForConstraint(500);
            budget.set(Long.MAX_VALUE);
        } else {
            downUntil = Long.MAX_VALUE;
        }
    }

    /** Closest to the wire: counts body bytes as sent (before gunzip). */
    private static final Interceptor WIRE = (chain) -> {
        Request q = chain.request();
        Req r = begin(q.method(), q.url().toString(), q.header("Range"));
        r.agent = q.header("User-Agent");
        if (q.body() != null) {
            Buffer sent = new Buffer();
            q.body().writeTo(sent);
            r.body = sent.readUtf8();
        }
        Response s;
        try {
            s = chain.proceed(q);
        } catch (IOException e) {
            throw fail(r, e.toString());
        }
        r.status = s.code();
        r.contentRange = s.header("Content-Range");
        ResponseBody body = s.body();
        BufferedSource counted = Okio.buffer(new ForwardingSource(body.source()) {
            @Override public long read(Buffer sink, long n) throws IOException {
                int granted = grant(r, (int) Math.min(n, 8192));
                long got = -1;
                try {
                    return got = super.read(sink, granted);
                } catch (IOException e) {
                    throw fail(r, e.toString());
                } finally {
                    used(r, granted, got);
                }
            }
        });
        return s.newBuilder().body(new ResponseBody() {
            @Override public MediaType contentType() { return body.contentType(); }
            @Override public long contentLength() { return body.contentLength(); }
            @Override public BufferedSource source() { return counted; }
        }).build();
    };

    /** Decoded view: remembers stats events and the answer to the update check. */
    private static final Interceptor BODY = (chain) -> {
        Request q = chain.request();
        loopbackOnly(q.url().toString());
        String kind = kind(q.url().toString());
        if (!kind.equals("stats") && !kind.equals("check")) return chain.proceed(q);
        Response s = chain.proceed(q);
        String answer = s.peekBody(16 << 20).string();
        if (kind.equals("check")) {
            lastAnswer = answer;
            lastAnswerStatus = s.code();
            return s;
        }
        Buffer sent = new Buffer();
        q.body().writeTo(sent);
        try {
            Object o = new JSONTokener(sent.readUtf8()).nextValue();
            JSONArray events = o instanceof JSONArray ? (JSONArray) o : new JSONArray().put(o);
            Object reply = parse(answer);
            JSONArray results = reply instanceof JSONObject ? ((JSONObject) reply).optJSONArray("results") : null;
            for (int i = 0; i < events.length(); i++) {
                JSONObject e = events.getJSONObject(i), row = new JSONObject();
                for (String k : new String[] { "action", "version_name", "old_version_name", "metadata" }) row.put(k, e.opt(k));
                row.put("form", o instanceof JSONArray ? "batch" : "single").put("http", s.code());
                row.put("answer", results != null && i < results.length() ? results.get(i) : reply);
                synchronized (stats) { stats.add(row); }
            }
        } catch (JSONException e) {
            throw new IOException("stats body is not JSON", e);
        }
        return s;
    };

    static Object parse(String s) {
        try {
            return new JSONTokener(s).nextValue();
        } catch (JSONException e) {
            return s;
        }
    }

    /** Delegating HttpURLConnection (zip downloads) with the same accounting. */
    private static final class Huc extends HttpURLConnection {
        private final HttpURLConnection d;
        private Req req;
        private InputStream in;

        Huc(URL u, HttpURLConnection d) { super(u); this.d = d; }

        private void begun() throws IOException {
            if (req != null) return;
            req = Meter.begin(d.getRequestMethod(), url.toString(), d.getRequestProperty("Range"));
            req.agent = d.getRequestProperty("User-Agent") != null ? d.getRequestProperty("User-Agent") : System.getProperty("http.agent");
        }
        private InputStream count(InputStream raw) {
            return new FilterInputStream(raw) {
                @Override public int read() throws IOException { byte[] b = new byte[1]; return read(b, 0, 1) < 0 ? -1 : b[0] & 0xff; }
                @Override public int read(byte[] b, int off, int len) throws IOException {
                    if (len == 0) return 0;
                    int granted = grant(req, len), got = -1;
                    try { return got = super.read(b, off, granted); } finally { used(req, granted, got); }
                }
            };
        }
        @Override public void connect() throws IOException { begun(); d.connect(); }
        @Override public int getResponseCode() throws IOException {
            begun();
            int code = d.getResponseCode();
            req.status = code;
            req.contentRange = d.getHeaderField("Content-Range");
            return code;
        }
        @Override public InputStream getInputStream() throws IOException {
            begun();
            if (in == null) in = count(d.getInputStream());
            return in;
        }
        @Override public java.io.OutputStream getOutputStream() throws IOException { begun(); return d.getOutputStream(); }
        @Override public InputStream getErrorStream() { return d.getErrorStream(); }
        @Override public String getResponseMessage() throws IOException { begun(); return d.getResponseMessage(); }
        @Override public int getContentLength() { return d.getContentLength(); }
        @Override public long getContentLengthLong() { return d.getContentLengthLong(); }
        @Override public String getContentType() { return d.getContentType(); }
        @Override public String getHeaderField(String n) { return d.getHeaderField(n); }
        @Override public void setRequestProperty(String k, String v) { d.setRequestProperty(k, v); }
        @Override public void addRequestProperty(String k, String v) { d.addRequestProperty(k, v); }
        @Override public String getRequestProperty(String k) { return d.getRequestProperty(k); }
        @Override public void setRequestMethod(String m) throws java.net.ProtocolException { d.setRequestMethod(m); }
        @Override public String getRequestMethod() { return d.getRequestMethod(); }
        @Override public void setConnectTimeout(int t) { d.setConnectTimeout(t); }
        @Override public void setReadTimeout(int t) { d.setReadTimeout(t); }
        @Override public void setDoOutput(boolean b) { d.setDoOutput(b); }
        @Override public void setDoInput(boolean b) { d.setDoInput(b); }
        @Override public void setUseCaches(boolean b) { d.setUseCaches(b); }
        @Override public void setInstanceFollowRedirects(boolean b) { d.setInstanceFollowRedirects(b); }
        @Override public void disconnect() { d.disconnect(); }
        @Override public boolean usingProxy() { return false; }
    }

    private Meter() {}
}
