/* Events of an app's own code, sent to an edge node (POST /events). Copy this file into the app; it needs nothing else.
 *
 * What is tracked waits in localStorage, where there is one, until the node has it: over restarts, without a network,
 * while the node restarts. Nothing here throws into the app. The 200 latest events are kept.
 */

export type Kind = 'feature' | 'screen' | 'error' | 'duration' | 'purchase';
export type Labels = Record<string, string>;

export interface Options {
  url: string; // of the device port, such as https://updates.example.com
  app_id: string;
  device_id: string; // a UUID: the updater plugin's device id, where there is one
  key?: string; // the app's event key, if it has one
  custom_id?: string;
  platform?: string; // android, ios, electron or web
}

export interface Events {
  /** `value`: seconds of a duration, the amount of a purchase, or any number. */
  track(kind: Kind, name: string, value?: number, labels?: Labels): void;
  /** Send what waits now, not in two seconds. */
  flush(): void;
}

interface Queued {
  kind: Kind;
  name: string;
  time: number; // of the device's clock; no two that wait have the same
  value?: number;
  labels?: Labels;
  sent?: number; // when, if no answer has come
}

export function createEvents({url, ...from}: Options): Events {
  const slot = 'edge/' + from.app_id;
  let kept: Queued[] = [];
  let stored = true; // whether localStorage has what `kept` has
  let busy = 0, failures = 0, size = 50, due = 0, told = 0, timer = 0;

  // Other pages of the app have the same slot: it is read before each change. An event whose answer never came was most
  // likely stored: the node counts a resend once for an hour, so after 55 minutes it is not sent again.
  const read = (): Queued[] => {
    try {
      const found: Queued[] = JSON.parse(localStorage.getItem(slot) || '[]');
      if (stored) kept = found.filter(each => (each.sent || Infinity) > Date.now() - 3.3e6);
    } catch {}
    return kept;
  };

  const write = (events: Queued[]): void => {
    kept = events.slice(-200);
    try {
      localStorage.setItem(slot, JSON.stringify(kept));
      stored = true;
    } catch {
      stored = false;
    }
  };

  const plan = (wait: number): void => {
    timer = timer || setTimeout(send, Math.max(due - Date.now(), wait));
  };

  const send = (hiding?: boolean): void => {
    clearTimeout(timer);
    timer = 0;
    const all = read();
    const batch = all.filter(each => !hiding || !each.sent).slice(0, size);
    if (!batch[0] || busy && !hiding) return;
    if (Date.now() < due) return plan(0);
    busy++;
    for (const each of batch) each.sent = Date.now();
    write(all);

    const settle = (status: number, after: number): void => {
      busy--;
      const fewer = status == 413 && size > 1 && (size >>= 1);
      const again = fewer || !status || status == 408 || status == 429 || status > 499;
      const times = batch.map(each => each.time);
      write(read().filter(each => !times.includes(each.time) || (each.sent = 0, again)));
      failures = again ? failures + 1 : 0;
      told = after;
      due = again ? Date.now() + Math.max(after * 1e3, Math.min(500 * 2 ** failures, 3e5)) * (1 + Math.random() / 2) : 0;
      if (!again && status > 399) console.warn('edge: events refused', status);
      plan(0);
    };

    const to = url + '/events';
    const body = JSON.stringify({...from, events: batch});
    // The type of a plain text, so that browsers do not ask first; the node reads JSON whatever it is called.
    if (hiding && !('keepalive' in Request.prototype)) settle(navigator.sendBeacon(to, body) ? 200 : 0, 0);
    else fetch(to, {method: 'POST', body, keepalive: hiding, credentials: 'omit'}).then(
      answer => settle(answer.status, +(answer.headers.get('Retry-After') || 0)),
      () => settle(0, 0)
    );
  };

  addEventListener('pagehide', () => send(true));
  document.addEventListener('visibilitychange', () => { if (document.hidden) send(true); });
  addEventListener('online', () => { if (!told) due = 0; send(); }); // not before the node said
  plan(0);

  return {
    track: (kind, name, value, labels) => {
      try {
        let time = Date.now();
        read();
        while (kept.some(each => each.time == time)) time++;
        write([...kept, JSON.parse(JSON.stringify({kind, name, time, value, labels}))]);
        plan(2e3);
      } catch {}
    },
    flush: () => send()
  };
}
