// A subscriber by HTTP that verifies the headers of Standard Webhooks with the package `standardwebhooks`.
//
// node standard_webhooks.js SECRET
// Out: {"state": "listening", "url": ..}, and for each request {"verified": true or the error's name, "text": the message}. Ends
// when standard input is closed.
"use strict";

const http = require("http");
const { Webhook, WebhookVerificationError } = require("standardwebhooks");

const webhook = new Webhook(process.argv[2]);
const emit = (line) => console.log(JSON.stringify(line));

// Identifier and message of a RECEIVE.
function fields(body) {
    let at = 0;
    for (let field = 0; field < 2; field += 1) at += 2 + body.readUInt16BE(at);
    const end = at + 1 + body[at];
    return [body.subarray(at + 1, end), body.subarray(end + 8)];
}

function verified(text, headers) {
    try {
        webhook.verify(text, headers);
        return true;
    } catch (error) {
        // What is genuine is parsed as JSON, which not every message is.
        return error instanceof WebhookVerificationError ? "WebhookVerificationError" : error instanceof SyntaxError || error.name;
    }
}

const server = http.createServer((request, response) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => {
        const [identifier, message] = fields(Buffer.concat(pieces));
        emit({ verified: verified(message.toString(), request.headers), text: message.toString() });
        const answer = [[0, 8, 0, 0, 0, 0, identifier.length], identifier, [0, 0, 0, 1]].map((part) => Buffer.from(part));
        response.end(Buffer.concat(answer));
    });
});
server.listen(0, "127.0.0.1", () => emit({ state: "listening", url: `http://127.0.0.1:${server.address().port}/hook` }));

process.stdin.resume().on("end", () => process.exit(0));
