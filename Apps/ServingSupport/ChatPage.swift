/// The page that converses with the models of the server.
enum ChatPage {
  /// What the page may do: nothing but what is in it, and to ask this server.
  static let policy =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

  static let html = """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Apus</title>
    <style>
      :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
      body { margin: 0 auto; max-width: 46rem; height: 100dvh; display: flex; flex-direction: column; }
      header, footer { display: flex; flex-wrap: wrap; gap: .5rem; padding: .6rem; }
      main { flex: 1; overflow-y: auto; padding: 0 .6rem; }
      article { margin: .6rem 0; padding: .5rem .8rem; border-radius: .6rem; white-space: pre-wrap; \
    overflow-wrap: anywhere; background: color-mix(in srgb, currentColor 8%, transparent); }
      article.user { margin-left: 3rem; background: color-mix(in srgb, #38f 22%, transparent); }
      article.error { background: color-mix(in srgb, #f33 22%, transparent); }
      textarea { flex: 1; font: inherit; resize: vertical; min-height: 2.6rem; }
      input[type=number] { width: 5rem; }
      #note { font-size: .85rem; opacity: .7; padding: 0 .6rem .4rem; min-height: 1.3rem; }
    </style>
    </head>
    <body>
    <header>
      <select id="model" aria-label="Model"></select>
      <label>temperature <input id="temperature" type="number" min="0" max="2" step="0.1" \
    value="0.7"></label>
      <label>tokens <input id="tokens" type="number" min="1" value="512"></label>
      <input id="key" type="password" placeholder="API key" aria-label="API key" hidden>
      <button id="new" type="button">New conversation</button>
    </header>
    <main id="turns" aria-live="polite"></main>
    <footer>
      <textarea id="text" placeholder="Say something" aria-label="Message" autofocus></textarea>
      <button id="send" type="button">Send</button>
      <button id="stop" type="button" disabled>Stop</button>
    </footer>
    <div id="note"></div>
    <script>
    "use strict";
    const element = (id) => document.getElementById(id);
    let messages = [], running = null;
    const headers = () => {
      const headers = { "Content-Type": "application/json" };
      if (element("key").value) headers.Authorization = "Bearer " + element("key").value;
      return headers;
    };
    function show(role, text) {
      const article = document.createElement("article");
      article.className = role;
      article.textContent = text;
      element("turns").append(article);
      article.scrollIntoView({ block: "end" });
      return article;
    }
    async function failure(response) {
      if (response.status === 401) element("key").hidden = false;
      try { return (await response.json()).error.message; } catch { return response.statusText; }
    }
    async function loadModels() {
      const response = await fetch("/v1/models", { headers: headers() }).catch(() => null);
      if (!response) { element("note").textContent = "The server does not answer."; return; }
      if (!response.ok) { element("note").textContent = await failure(response); return; }
      element("note").textContent = "";
      const names = (await response.json()).data.map((model) => model.id);
      element("model").replaceChildren(...names.map((name) => new Option(name, name)));
    }
    async function* events(response) {
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = "";;) {
        const { value, done } = await reader.read();
        if (done) return;
        const parts = (rest + value).split("\\n\\n");
        rest = parts.pop();
        for (const part of parts) {
          const data = part.replace(/^data: /, "");
          if (data !== "[DONE]") yield JSON.parse(data);
        }
      }
    }
    function setRunning(controller) {
      running = controller;
      element("send").disabled = controller !== null;
      element("stop").disabled = controller === null;
    }
    async function send() {
      const text = element("text").value.trim();
      if (!text || running) return;
      element("text").value = "";
      const asked = [...messages, { role: "user", content: text }];
      show("user", text);
      const article = show("assistant", "");
      setRunning(new AbortController());
      const start = performance.now();
      let usage = null;
      try {
        const response = await fetch("/v1/chat/completions", {
          method: "POST", headers: headers(), signal: running.signal,
          body: JSON.stringify({
            model: element("model").value, messages: asked, stream: true,
            stream_options: { include_usage: true },
            temperature: Number(element("temperature").value),
            max_tokens: Number(element("tokens").value),
          }),
        });
        if (!response.ok) throw new Error(await failure(response));
        for await (const event of events(response)) {
          if (event.error) throw new Error(event.error.message);
          usage = event.usage ?? usage;
          article.textContent += event.choices[0]?.delta?.content ?? "";
          article.scrollIntoView({ block: "end" });
        }
        const seconds = (performance.now() - start) / 1000;
        if (usage) {
          element("note").textContent = `read ${usage.prompt_tokens} tokens, wrote ` +
            `${usage.completion_tokens}, ${(usage.completion_tokens / seconds).toFixed(1)} tokens/s`;
        }
      } catch (error) {
        if (error.name !== "AbortError") show("error", error.message);
      }
      // A part of an answer stays; without one it is as if nothing had been asked.
      if (article.isConnected && article.textContent) {
        messages = [...asked, { role: "assistant", content: article.textContent }];
      } else if (article.isConnected) {
        article.previousSibling.remove();
        article.remove();
        element("text").value ||= text;
      }
      setRunning(null);
      element("text").focus();
    }
    element("send").onclick = send;
    element("stop").onclick = () => running?.abort();
    element("new").onclick = () => {
      running?.abort();
      messages = [];
      element("turns").replaceChildren();
    };
    element("key").onchange = loadModels;
    element("text").onkeydown = (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
    };
    loadModels();
    </script>
    </body>
    </html>
    """
}
