package realdevice;

import android.content.SharedPreferences;
import android.os.Build;
import android.os.Handler;
import android.os.Looper;
import androidx.lifecycle.ProcessLifecycleOwner;
import com.getcapacitor.Bridge;
import com.getcapacitor.BridgeActivity;
import com.getcapacitor.CapConfig;
import com.getcapacitor.JSObject;
import com.getcapacitor.MessageHandler;
import com.getcapacitor.PluginCall;
import com.getcapacitor.WebViewListener;
import ee.forgr.capacitor_updater.BundleInfo;
import ee.forgr.capacitor_updater.BundleStatus;
import ee.forgr.capacitor_updater.RealDeviceApp;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Date;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** One launch of a pretend app that carries the real plugin. */
public final class RealDevice {
    private static final String USAGE = String.join("\n",
        "usage: run.sh RELEASE COMMAND --url BASE [options]",
        "  check              ask once; print the plugin's parsed answer",
        "  update             launch the app: check, download, verify, decrypt, unpack, install, notifyAppReady",
        "  channels | get-channel | set-channel NAME | unset-channel",
        "  call METHOD [JSON] any other method of the plugin's JavaScript API (download, list, reset, getLatest ...)",
        "  calls JSON         several of them in one launch, one after another: [[METHOD, {...}], ...]",
        "server:   --url BASE (BASE/updates, /stats, /channel_self) or --update-url/--stats-url/--channel-url URL",
        "device:   --app ID --device UUID --version-build NATIVE --version-code N --version-name INSTALLED-BUNDLE",
        "          --plugin-version V --default-channel NAME --custom-id ID --os RELEASE --emulator --dev --installer PACKAGE",
        "app:      --public-key FILE --auto-update MODE --config JSON (extra plugin settings) --builtin DIR (web files in the APK)",
        "run:      --state DIR (kept between runs) --timeout S --no-install --no-ready (the new bundle is broken) --ready-timeout MS",
        "          --abort-after BYTES --abort-how error|stop|kill --requests --verbose --settle MS");

    private final Map<String, String> opts = new HashMap<>();
    private final List<String> args = new ArrayList<>();
    private final List<JSONObject> jsEvents = new ArrayList<>();
    private final long started = System.currentTimeMillis();
    private final Handler main = new Handler(Looper.getMainLooper());
    private final RealDeviceApp app = new RealDeviceApp();
    private Bridge bridge;
    private volatile String pageError;
    private volatile boolean failed, noNeed, available, setEvent, rolledBack;
    private volatile String checkKind;
    private Runnable pageLoad;
    private final Set<String> proven = new HashSet<>(); // bundles that worked before: one that is gone back to works again

    public static void main(String[] argv) throws Exception {
        PrintStream out = System.out;
        System.setOut(System.err); // plugin code prints stack traces; keep stdout for the answer
        RealDevice d = new RealDevice();
        int code;
        try {
            JSONObject answer = new JSONObject();
            code = d.run(argv, answer);
            out.println(answer.toString(2).replace("\\/", "/"));
        } catch (IllegalArgumentException e) {
            System.err.println(e.getMessage() + "\n" + USAGE);
            code = 2;
        }
        out.flush();
        if (!d.opts.containsKey("state") && Device.state != null) delete(Device.state);
        Runtime.getRuntime().halt(code);
    }

    private static void delete(File f) {
        File[] inside = f.listFiles();
        if (inside != null) for (File x : inside) delete(x);
        f.delete();
    }

    private static final List<String> FLAGS = List.of("emulator", "dev", "no-install", "no-ready", "requests", "verbose");
    private static final List<String> VALUES = List.of("url", "update-url", "stats-url", "channel-url", "app", "device", "version-build", "version-code",
        "version-name", "plugin-version", "default-channel", "custom-id", "os", "installer", "public-key", "auto-update", "config", "builtin", "state",
        "timeout", "ready-timeout", "abort-after", "abort-how", "settle");

    private int run(String[] argv, JSONObject answer) throws Exception {
        for (int i = 0; i < argv.length; i++) {
            String a = argv[i];
            if (!a.startsWith("--")) { args.add(a); continue; }
            String name = a.substring(2);
            if (FLAGS.contains(name)) opts.put(name, "true");
            else if (VALUES.contains(name) && i + 1 < argv.length) opts.put(name, argv[++i]);
            else throw new IllegalArgumentException("bad option " + a);
        }
        if (args.isEmpty()) throw new IllegalArgumentException("no command");
        String command = args.get(0);
        boolean update = command.equals("update");
        configure(update);
        boot();
        switch (command) {
            case "update": return update(answer);
            case "check": return check(answer);
            case "channels": return call("listChannels", new JSObject(), answer);
            case "get-channel": return call("getChannel", new JSObject(), answer);
            case "unset-channel": return call("unsetChannel", new JSObject(), answer);
            case "set-channel":
                if (args.size() < 2) throw new IllegalArgumentException("set-channel needs a name");
                return call("setChannel", new JSObject().put("channel", args.get(1)), answer);
            case "call":
                if (args.size() < 2) throw new IllegalArgumentException("call needs a method");
                return call(args.get(1), args.size() > 2 ? new JSObject(args.get(2)) : new JSObject(), answer);
            case "calls":
                if (args.size() < 2) throw new IllegalArgumentException("calls needs a list");
                return calls(new JSONArray(args.get(1)), answer);
            default: throw new IllegalArgumentException("unknown command " + command);
        }
    }

    private String opt(String name, String fallback) { return opts.getOrDefault(name, fallback); }

    private void configure(boolean update) throws Exception {
        String base = opt("url", "").replaceAll("/+$", "");
        Meter.updateUrl = opt("update-url", base + "/updates");
        Meter.channelUrl = opt("channel-url", base + "/channel_self");
        // a lone API call sends no launch statistics
        Meter.statsUrl = opt("stats-url", update || args.get(0).startsWith("call") ? base + "/stats" : "");
        if (base.isEmpty() && !opts.containsKey("update-url")) throw new IllegalArgumentException("--url is missing");

        Device.verbose = opts.containsKey("verbose");
        Device.state = opts.containsKey("state") ? new File(opts.get("state")).getAbsoluteFile() : Files.createTempDirectory("realdevice-state").toFile();
        Device.packageName = opt("app", "com.demo.app");
        Device.versionName = opt("version-build", "1.0.0");
        Device.versionCode = opt("version-code", "1");
        Device.debuggable = opts.containsKey("dev");
        Device.installer = opt("installer", null);
        if (opts.containsKey("builtin")) Device.builtin = new File(opts.get("builtin"));
        Build.VERSION.RELEASE = opt("os", "14");
        if (opts.containsKey("emulator")) {
            Build.FINGERPRINT = "generic/sdk_gphone64_x86_64/emu64x:14/UE1A/1:userdebug/dev-keys";
            Build.HARDWARE = "ranchu";
            Build.MODEL = Build.PRODUCT = "sdk_gphone64_x86_64";
        }
        System.setProperty("http.agent", "Dalvik/2.1.0 (Linux; U; Android " + Build.VERSION.RELEASE + "; " + Build.MODEL + " Build/UQ1A.240105.004)");

        JSONObject conf = new JSONObject();
        conf.put("appId", Device.packageName);
        conf.put("updateUrl", Meter.updateUrl).put("statsUrl", Meter.statsUrl).put("channelUrl", Meter.channelUrl);
        conf.put("defaultChannel", opt("default-channel", null)).put("autoUpdate", update ? opt("auto-update", "true") : "false");
        if (conf.getString("autoUpdate").matches("true|false")) conf.put("autoUpdate", conf.getString("autoUpdate").equals("true"));
        if (opts.containsKey("public-key")) conf.put("publicKey", Files.readString(Path.of(opts.get("public-key"))));
        if (opts.containsKey("ready-timeout")) conf.put("appReadyTimeout", Integer.parseInt(opts.get("ready-timeout")));
        JSONObject extra = new JSONObject(opt("config", "{}"));
        for (Iterator<String> it = extra.keys(); it.hasNext(); ) {
            String k = it.next();
            conf.put(k, extra.get(k));
        }
        Device.config.put("appId", Device.packageName).put("plugins", new JSONObject().put("CapacitorUpdater", conf));

        Meter.abortAfter = Long.parseLong(opt("abort-after", "-1"));
        Meter.abortHow = opt("abort-how", "error");
        if (!Meter.abortHow.matches("error|stop|kill")) throw new IllegalArgumentException("bad --abort-how");
        app.claimVersion = opt("plugin-version", null);
        app.pendingReadyMs = Long.parseLong(opt("ready-timeout", "30000"));
    }

    /** Application start up to and including the first page load. */
    private void boot() throws Exception {
        Meter.install();
        Class<?> worker = Class.forName("ee.forgr.capacitor_updater.DownloadService");
        Meter.instrument(null, worker);
        SharedPreferences prefs = Device.prefs("CapWebViewSettings");
        if (opts.containsKey("device")) prefs.edit().putString("appUUID", opts.get("device")).commit();
        if (opts.containsKey("version-name") && !opts.get("version-name").equals(Device.versionName)) preinstall(prefs, opts.get("version-name"));

        onMain(() -> {
            BridgeActivity activity = new BridgeActivity();
            activity.bridge = bridge = new Bridge(activity, CapConfig.loadDefault(activity));
            bridge.getWebView().navigator = (url) -> {
                if (pageLoad != null) main.removeCallbacks(pageLoad); // a second navigation replaces the first
                pageLoad = this::pageLoaded;
                main.postDelayed(pageLoad, 30);
            };
            app.setBridge(bridge);
            app.events = this::event;
            app.load();
            if (app.updater() == null) throw new IllegalStateException("the plugin did not load; try --verbose");
            Meter.instrument(app.updater(), app.updater().getClass());
            Meter.instrument(null, worker);
            if (opts.containsKey("custom-id")) js("setCustomId", new JSObject().put("customId", opts.get("custom-id")));
            if (app.claimVersion != null) claimVersion(worker);
            String path = prefs.getString("serverBasePath", "");
            if (!path.isEmpty() && new File(path).exists()) bridge.getLocalServer().hostFiles(path); else bridge.getLocalServer().hostAssets("public");
            bridge.getWebView().loadUrl(bridge.getAppUrl());
        });
    }

    private void claimVersion(Class<?> worker) {
        try { // newer plugins keep the version in the shared User-Agent as well
            worker.getMethod("updateUserAgent", String.class, String.class, String.class).invoke(null, Device.packageName, app.claimVersion, Build.VERSION.RELEASE);
        } catch (ReflectiveOperationException ignored) {}
    }

    /** Makes the device already run a (made-up) bundle of that name. */
    private void preinstall(SharedPreferences prefs, String name) throws Exception {
        if (!prefs.getString("serverBasePath", "").isEmpty()) return; // the state directory knows better
        String id = "preinstall";
        File dir = new File(Device.dir("files"), "versions/" + id);
        dir.mkdirs();
        Files.writeString(dir.toPath().resolve("index.html"), "<html></html>");
        BundleInfo info = new BundleInfo(id, name, BundleStatus.SUCCESS, new Date(), "");
        prefs.edit().putString(id + "_info", info.toString()).putString("serverBasePath", dir.getPath())
            .putString("LatestNativeBuildVersion", Device.versionCode).putString("LatestVersionNative", Device.versionName).commit();
    }

    /** What the WebView and the app's JavaScript would do with the files now being served. */
    private void pageLoaded() {
        boolean assets = bridge.getLocalServer().assets;
        File index = new File(bridge.getLocalServer().path, "index.html");
        if (!assets && !index.isFile()) {
            pageError = "no index.html in the bundle";
            return;
        }
        for (WebViewListener l : bridge.listeners) l.onPageStarted(bridge.getWebView());
        for (WebViewListener l : bridge.listeners) l.onPageLoaded(bridge.getWebView());
        BundleInfo current = app.current();
        if (!assets && current.getStatus() == BundleStatus.SUCCESS) proven.add(current.getId());
        boolean trial = !assets && !proven.contains(current.getId());
        if (!(trial && opts.containsKey("no-ready"))) js("notifyAppReady", new JSObject());
    }

    private void event(String name, JSObject data) {
        try {
            JSONObject e = new JSONObject().put("ms", System.currentTimeMillis() - started).put("event", name);
            if (!name.equals("download")) e.put("data", new JSONObject(data.toString()));
            else e.put("percent", data.opt("percent"));
            synchronized (jsEvents) { jsEvents.add(e); }
        } catch (JSONException ex) {
            throw new IllegalStateException(ex);
        }
        switch (name) {
            case "downloadFailed": failed = true; break;
            case "updateFailed": rolledBack = true; break;
            case "noNeedUpdate": noNeed = true; break;
            case "updateAvailable": available = true; break;
            case "set": setEvent = true; break;
            case "updateCheckResult": checkKind = data.getString("kind"); break;
            default:
        }
        synchronized (this) { notifyAll(); }
    }

    private CompletableFuture<String> js(String method, JSObject data) {
        MessageHandler handler = new MessageHandler();
        try {
            app.getClass().getMethod(method, PluginCall.class).invoke(app, new PluginCall(handler, "CapacitorUpdater", "1", method, data));
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException("plugin call " + method + ": " + (e.getCause() != null ? e.getCause() : e));
        }
        return handler.reply;
    }

    private int call(String method, JSObject data, JSONObject answer) throws Exception {
        boolean resolved = ask(method, data, answer);
        endCalls(answer);
        return resolved ? 0 : 1;
    }

    /** As an app's JavaScript would: each call waits for the answer to the one before. */
    private int calls(JSONArray list, JSONObject answer) throws Exception {
        boolean resolved = true;
        JSONArray answers = new JSONArray();
        for (int i = 0; i < list.length(); i++) {
            JSONArray each = list.getJSONArray(i);
            JSONObject one = new JSONObject();
            resolved &= ask(each.getString(0), each.length() > 1 ? new JSObject(each.getString(1)) : new JSObject(), one);
            answers.put(one);
        }
        answer.put("answers", answers);
        endCalls(answer);
        return resolved ? 0 : 1;
    }

    private boolean ask(String method, JSObject data, JSONObject answer) throws Exception {
        answer.put("call", method);
        try {
            answer.put("resolved", new JSONObject(js(method, data).get(timeout(), TimeUnit.MILLISECONDS)));
            return true;
        } catch (ExecutionException e) {
            answer.put("rejected", e.getCause() instanceof MessageHandler.Rejected ? new JSONObject(((MessageHandler.Rejected) e.getCause()).json) : e.getCause().toString());
        } catch (TimeoutException e) {
            answer.put("rejected", "no answer in time");
        }
        return false;
    }

    private void endCalls(JSONObject answer) throws Exception {
        if (!Meter.statsUrl.isEmpty()) settle();
        shutdown();
        http(answer);
        answer.put("events", new JSONArray(Meter.stats()));
    }

    private int check(JSONObject answer) throws Exception {
        CompletableFuture<JSONObject> f = new CompletableFuture<>();
        app.getLatest(Meter.updateUrl, f::complete);
        JSONObject parsed;
        try {
            parsed = f.get(timeout(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            parsed = new JSONObject().put("error", "no answer in time").put("kind", "failed");
        }
        answer.put("parsed", parsed);
        raw(answer);
        shutdown();
        http(answer);
        return "failed".equals(parsed.optString("kind")) || (parsed.has("error") && !parsed.has("kind")) ? 1 : 0;
    }

    private int update(JSONObject answer) throws Exception {
        String before = app.current().getVersionName();
        onMain(() -> ProcessLifecycleOwner.get().getLifecycle().dispatch(true));
        onMain(app::activityStart);

        String result;
        boolean ended = await(() -> failed || noNeed || available || setEvent, timeout());
        double seconds = elapsed();
        boolean builtinNext = false;
        if (!ended) {
            result = "timeout";
        } else if (failed) {
            result = "failed";
        } else if (available || setEvent) {
            // the plugin announces the bundle just before it queues it
            boolean queues = !"onlyDownload".equals(opts.get("auto-update"));
            if (queues && !setEvent) await(() -> failed || setEvent || app.next() != null, 5000);
            result = failed ? "failed" : setEvent ? "installed" : queues && app.next() == null ? "not_queued" : "downloaded";
        } else {
            Thread.sleep(100);
            builtinNext = app.next() != null && app.next().isBuiltin() && !app.current().isBuiltin();
            result = "up_to_date".equals(checkKind) || "blocked".equals(checkKind) ? checkKind : builtinNext ? "builtin" : "no_update";
        }

        BundleInfo queued = app.next();
        if (queued != null && (result.equals("downloaded") || result.equals("builtin")) && !opts.containsKey("no-install")) {
            onMain(() -> ProcessLifecycleOwner.get().getLifecycle().dispatch(false)); // user leaves the app: the update is installed
            onMain(app::activityStop);
            long limit = Math.max(15000, app.pendingReadyMs * 2 + 10000);
            if (opts.containsKey("no-ready") && !builtinNext) {
                await(() -> rolledBack, limit);
                Thread.sleep(500);
                result = rolledBack ? "rolled_back" : "timeout";
            } else {
                String id = queued.getId();
                boolean ok = await(() -> id.equals(app.current().getId()) && app.current().getStatus() == BundleStatus.SUCCESS && app.next() == null, limit);
                if (!ok) result = "install_failed"; else if (!builtinNext) result = "installed";
            }
        }
        settle();

        answer.put("result", result);
        answer.put("mode", mode());
        answer.put("version", queued != null && result.equals("downloaded") ? queued.getVersionName() : app.current().getVersionName());
        answer.put("version_before", before);
        answer.put("device_id", app.deviceId()).put("plugin_version", app.pluginVersion());
        if (pageError != null) answer.put("page_error", pageError);
        if (Meter.aborted) answer.put("aborted_after", Meter.abortAfter);
        answer.put("bytes_downloaded", Meter.downloaded());
        answer.put("seconds", Math.round(seconds * 1000) / 1000.0);
        long first = Meter.requests().stream().filter((r) -> r.kind.equals("file")).mapToLong((r) -> r.at - started).min().orElse(-1);
        if (first >= 0) answer.put("download_seconds", Math.round(seconds * 1000 - first) / 1000.0);
        File folder = queued != null && result.equals("downloaded") ? new File(Device.dir("files"), "versions/" + queued.getId())
            : app.usingBuiltin() ? null : new File(app.bundlePath());
        answer.put("files", hashes(folder));
        answer.put("events", new JSONArray(Meter.stats()));
        synchronized (jsEvents) { answer.put("js_events", new JSONArray(jsEvents)); }
        raw(answer);
        shutdown();
        http(answer);
        return List.of("failed", "timeout", "not_queued", "install_failed").contains(result) ? 1 : 0;
    }

    private String mode() {
        for (JSONObject e : Meter.stats()) {
            String a = e.optString("action");
            if (a.startsWith("download_zip")) return "zip";
            if (a.startsWith("download_manifest")) return "manifest";
        }
        Object o = Meter.lastAnswer == null ? null : Meter.parse(Meter.lastAnswer);
        if (!(o instanceof JSONObject) || !((JSONObject) o).has("url") || ((JSONObject) o).has("error")) return "none";
        return ((JSONObject) o).has("manifest") ? "manifest" : "zip";
    }

    private void raw(JSONObject answer) throws JSONException {
        if (Meter.lastAnswer == null) return;
        Object body = Meter.parse(Meter.lastAnswer);
        if (body instanceof JSONObject && ((JSONObject) body).opt("manifest") instanceof JSONArray && !opts.containsKey("requests")) {
            ((JSONObject) body).put("manifest", ((JSONObject) body).getJSONArray("manifest").length() + " entries");
        }
        answer.put("answer", new JSONObject().put("http", Meter.lastAnswerStatus).put("body", body));
    }

    private void http(JSONObject answer) throws JSONException {
        JSONObject sum = new JSONObject();
        JSONArray list = new JSONArray();
        Map<String, Integer> kinds = new TreeMap<>(), codes = new TreeMap<>();
        int ranged = 0;
        for (Meter.Req r : Meter.requests()) {
            kinds.merge(r.kind, 1, Integer::sum);
            codes.merge(r.status == 0 ? "none" : "" + r.status, 1, Integer::sum);
            if (r.range != null) ranged++;
            list.put(new JSONObject().put("ms", r.at - started).put("kind", r.kind).put("method", r.method).put("url", r.url).put("range", r.range)
                .put("status", r.status).put("content_range", r.contentRange).put("bytes", r.bytes.get()).put("user_agent", r.agent).put("body", r.body).put("error", r.error));
        }
        sum.put("by_kind", new JSONObject(kinds)).put("by_status", new JSONObject(codes)).put("with_range", ranged);
        answer.put("http", sum);
        if (opts.containsKey("requests")) answer.put("requests", list);
    }

    private static JSONObject hashes(File folder) throws Exception {
        JSONObject files = new JSONObject();
        if (folder == null || !folder.isDirectory()) return files;
        try (Stream<Path> walk = Files.walk(folder.toPath())) {
            for (Path p : (Iterable<Path>) walk.filter(Files::isRegularFile).sorted()::iterator) {
                StringBuilder hex = new StringBuilder();
                for (byte b : MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(p))) hex.append(String.format("%02x", b));
                files.put(folder.toPath().relativize(p).toString(), hex.toString());
            }
        }
        return files;
    }

    private long timeout() { return Long.parseLong(opt("timeout", "60")) * 1000; }
    private double elapsed() { return (System.currentTimeMillis() - started) / 1000.0; }

    /** Statistics leave in one-second batches: wait until the line has been quiet for a little longer than that. */
    private void settle() throws InterruptedException {
        long quiet = Long.parseLong(opt("settle", "1600")), end = System.currentTimeMillis() + quiet + 8000, from = System.currentTimeMillis();
        while (System.currentTimeMillis() < end && System.currentTimeMillis() - Math.max(from, Meter.lastActivity) < quiet) Thread.sleep(50);
    }

    private void shutdown() {
        try {
            onMain(app::activityDestroy);
            app.updater().getClass().getMethod("shutdown").invoke(app.updater());
        } catch (Exception ignored) {} // older plugins have no shutdown()
    }

    private synchronized boolean await(BooleanSupplier done, long ms) throws InterruptedException {
        long end = System.currentTimeMillis() + ms;
        while (!done.getAsBoolean()) {
            if (System.currentTimeMillis() >= end) return false;
            wait(50);
        }
        return true;
    }

    private interface Task { void run() throws Exception; }

    private void onMain(Task t) throws Exception {
        CompletableFuture<Void> f = new CompletableFuture<>();
        main.post(() -> {
            try {
                t.run();
                f.complete(null);
            } catch (Throwable e) {
                f.completeExceptionally(e);
            }
        });
        try {
            f.get();
        } catch (ExecutionException e) {
            throw new IllegalStateException("on the main thread: " + e.getCause(), e.getCause());
        }
    }
}
