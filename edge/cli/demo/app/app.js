// Tells the updater plugin that this bundle starts; without it the plugin goes back to the one before.
const updater = window.Capacitor?.Plugins?.CapacitorUpdater;
updater?.notifyAppReady();

const table = document.getElementById("times");
for (const [name, zone] of ZONES) {
  const row = table.insertRow();
  row.insertCell().textContent = name;
  row.insertCell().textContent = new Date().toLocaleTimeString([], { timeZone: zone });
}
