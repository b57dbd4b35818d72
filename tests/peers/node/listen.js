// Listens as node scripts for PyPubSub do: what arrives is put together until it ends with the end of a line, and parsed as
// one object. Two lines in one chunk, or a NUL behind one, end the process with an exception.
//
// node listen.js URL [--nul]: with --nul a line ends with a NUL, as for the old clients.
// Out: {"state": "ready"} at the first ping, and for each event {"received": PATH, "data": {n, start, bytes}}, with the
// first characters of its `text`, and the length of that in UTF-8. Ends when standard input is closed.
"use strict";

const http = require("http");

const [url, nul] = process.argv.slice(2);
const end = nul === "--nul" ? "\0" : "\n";
const emit = (line) => console.log(JSON.stringify(line));

let ready = false;

function hear(event) {
    if ("stillalive" in event) {
        if (!ready) emit({ state: "ready" });
        ready = true;
        return;
    }
    const text = event.text ?? "";
    const start = [...text.slice(0, 8)].slice(0, 3).join("");
    emit({ received: event.pubsub_path, data: { n: event.n, start, bytes: Buffer.byteLength(text) } });
}

const options = nul === "--nul" ? { headers: { "User-Agent": "svnwcsub/1.0" } } : {};
http.get(url, options, (response) => {
    response.setEncoding("utf8");
    let body = "";
    response.on("data", (chunk) => {
        body += chunk;
        if (!chunk.endsWith(end)) return;
        const line = body;
        body = "";
        hear(JSON.parse(nul === "--nul" ? line.slice(0, -1) : line));
    });
    response.on("end", () => emit({ state: "ended" }));
    response.on("error", (error) => emit({ state: "lost", why: error.message }));
});

process.stdin.resume().on("end", () => process.exit(0));
