"""What the official openai client gets from a server, as one JSON document.

    openai_client.py ADDRESS MODEL
"""
import json, sys
import openai

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="secret", max_retries=0)
model = sys.argv[2]
found = {"models": [entry.id for entry in client.models.list()]}
found["created"] = client.models.retrieve(model).created > 0
request = dict(model=model, messages=[{"role": "user", "content": "Hi"}], temperature=0, max_tokens=20)
whole = client.chat.completions.create(**request)
found["text"] = whole.choices[0].message.content
found["role"] = whole.choices[0].message.role
found["finish"] = whole.choices[0].finish_reason
found["usage"] = whole.usage.total_tokens - whole.usage.prompt_tokens - whole.usage.completion_tokens
chunks = list(client.chat.completions.create(**request, stream=True, stream_options={"include_usage": True}))
found["streamed"] = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
found["counted"] = chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
texts = client.completions.create(model=model, prompt=["A", "B"], n=2, max_tokens=5, temperature=0)
found["choices"] = [choice.index for choice in texts.choices]
parts = list(client.completions.create(model=model, prompt="A", max_tokens=5, temperature=0, stream=True))
found["same"] = "".join(p.choices[0].text for p in parts) == texts.choices[0].text
scored = client.chat.completions.create(**request, logprobs=True, top_logprobs=2)
found["scored"] = all(s.logprob <= 0 and len(s.top_logprobs) == 2 for s in scored.choices[0].logprobs.content)
echoed = client.completions.create(model=model, prompt="Hi", max_tokens=1, echo=True, logprobs=1).choices[0].logprobs
found["echoed"] = echoed.token_logprobs[0] is None and len(echoed.tokens) == len(echoed.text_offset) > 1
biased = client.chat.completions.create(**request, logit_bias={"65": 100}, frequency_penalty=0.5, presence_penalty=0.5)
found["biased"] = biased.choices[0].message.content != found["text"]
for name, call in {
    "missing": lambda: client.chat.completions.create(**{**request, "model": "none"}),
    "long": lambda: client.completions.create(model=model, prompt="long " * 500),
    "unsupported": lambda: client.chat.completions.create(**request, response_format={"type": "json_object"}),
    "key": lambda: openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="wrong", max_retries=0).models.list(),
}.items():
    try:
        call()
        found[name] = "no error"
    except openai.APIStatusError as error:
        found[name] = [type(error).__name__, error.code]
with client.chat.completions.create(**{**request, "max_tokens": 100}, stream=True) as stream:
    next(iter(stream))  # and hang up
print(json.dumps(found))
