'use strict';
// One launch of a pretend Electron app that carries the published @capgo/electron-updater, unchanged; what happened is
// printed as one JSON document, in the words of ../driver. A stub stands in for Electron itself.
//     node driver.js PACKAGE-FOLDER '{"url":…,"app":…,"device":…,"state":…,"native":…,"running":…,"key":…,"ready":true}'
//     node driver.js PACKAGE-FOLDER '{…,"calls":[["setChannel",{"channel":"beta"}]]}'
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const Module = require('module');
const path = require('path');

const [folder, words] = process.argv.slice(2);
const options = JSON.parse(words);
const APP_READY_MS = 1500; // how long a bundle may take to say that it works
const print = console.log;
console.log = console.warn = console.error;

// --- what Electron gives the package ---

const userData = path.join(options.state, 'userData');
const electron = {
    app: { getPath: () => userData, getVersion: () => options.native, isPackaged: true, on() {} },
    ipcMain: { handle() {}, removeHandler() {} },
    safeStorage: { isEncryptionAvailable: () => false },
    globalShortcut: { register() {}, unregister() {} },
    dialog: {}, BrowserWindow: { getFocusedWindow: () => null }, Menu: class {}, MenuItem: class {},
};
const load = Module._load;
Module._load = (name, ...rest) => (name === 'electron' ? electron : load(name, ...rest));

// --- observers of its two HTTP clients; both refuse every host but loopback ---

const requests = [];
const reports = [];

function begin(method, url, body) {
    if (!/^(localhost|127\.[0-9.]+|\[?::1]?)$/.test(new URL(url).hostname)) throw new Error(`only the loopback interface, not ${url}`);
    const request = { method, url, status: 0, body };
    requests.push(request);
    return request;
}

const realFetch = globalThis.fetch;
globalThis.fetch = async (url, init = {}) => {
    const request = begin(init.method ?? 'GET', String(url), init.body);
    const response = await realFetch(url, init);
    request.status = response.status;
    if (request.url.endsWith('/stats')) {
        const { action, version_name, old_version_name } = JSON.parse(request.body);
        reports.push({ action, version_name, old_version_name, http: response.status });
    }
    return response;
};
const realGet = http.get;
http.get = (url, init, heard) => {
    const request = begin('GET', String(url));
    return realGet(url, init, (response) => {
        request.status = response.statusCode;
        heard(response);
    });
};

// --- the installation ---

function prepare() {
    const file = path.join(userData, 'electron-updater-storage.json');
    if (fs.existsSync(file)) return;
    const manifest = {
        bundles: {}, currentBundleId: 'builtin', nextBundleId: null, lastSuccessfulBundleId: null,
        failedUpdate: null, delayConditions: [], customId: null, channel: null,
    };
    if (options.running) {
        const www = path.join(userData, 'capgo-bundles', 'preinstall', 'www');
        fs.mkdirSync(www, { recursive: true });
        fs.writeFileSync(path.join(www, 'index.html'), '<html></html>');
        manifest.bundles.preinstall = { id: 'preinstall', version: options.running, downloaded: '', checksum: '', status: 'success' };
        manifest.currentBundleId = 'preinstall';
    }
    fs.mkdirSync(userData, { recursive: true });
    fs.writeFileSync(file, JSON.stringify({ deviceId: options.device, manifest }));
}

function hashes(root) {
    const files = {};
    for (const entry of fs.readdirSync(root, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const file = path.join(entry.parentPath ?? entry.path, entry.name);
        files[path.relative(root, file)] = crypto.createHash('sha256').update(fs.readFileSync(file)).digest('hex');
    }
    return files;
}

// --- one launch ---

async function main() {
    prepare();
    const { ElectronUpdater } = require(path.join(folder, 'node_modules/@capgo/electron-updater'));
    const updater = new ElectronUpdater({
        appId: options.app, version: options.native, appReadyTimeout: APP_READY_MS, directUpdate: options.direct ?? false,
        updateUrl: `${options.url}/updates`, statsUrl: `${options.url}/stats`, channelUrl: `${options.url}/channel_self`,
        publicKey: options.key ? fs.readFileSync(options.key, 'utf8') : '',
    });
    const heard = [];
    for (const name of ['noNeedUpdate', 'updateAvailable', 'breakingAvailable', 'majorAvailable', 'downloadComplete', 'downloadFailed', 'updateFailed', 'appReady']) {
        updater.eventEmitter.addListener(name, () => heard.push({ event: name }));
    }
    const listeners = {};
    const page = { on: (name, heard) => { listeners[name] = heard; }, loadFile: async () => {}, loadURL: async () => {} };
    await updater.initialize(page, path.join(options.state, 'builtin/index.html'));
    print(JSON.stringify(options.calls ? await call(updater) : await launch(updater, heard)));
    process.exit(0);
}

async function call(updater) {
    const answers = [];
    for (const [method, data] of options.calls) {
        try {
            answers.push({ call: method, resolved: (await updater[method](data)) ?? {} });
        } catch (error) {
            answers.push({ call: method, rejected: String(error.message) });
        }
    }
    return { answers, events: reports, requests };
}

async function launch(updater, heard) {
    const { bundle: before } = await updater.current();
    await updater.notifyAppReady(); // the page of what runs has loaded
    await updater.checkForUpdates(); // as its timer would
    const { bundle: checked } = await updater.current();
    const direct = checked.id !== before.id;
    const queued = direct ? checked : await updater.getNextBundle();
    if (queued && !direct) await updater.checkAndApplyPendingUpdate(); // the window has lost its focus
    if (queued) {
        if (options.ready) await updater.notifyAppReady();
        else await new Promise((resolve) => setTimeout(resolve, APP_READY_MS + 500));
    }
    const { bundle } = await updater.current();
    const failed = heard.some(({ event }) => event === 'downloadFailed' || event === 'updateFailed');
    return {
        result: failed ? 'failed' : bundle.id === before.id ? 'no_update' : 'installed',
        version: bundle.version,
        files: bundle.id === 'builtin' ? {} : hashes(path.join(userData, 'capgo-bundles', bundle.id, 'www')),
        events: reports, requests, js_events: heard,
    };
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
