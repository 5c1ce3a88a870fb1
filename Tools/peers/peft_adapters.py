"""Losses of a model, of it with an adapter of ours, and with one of peft's own, which this writes.

    peft_adapters.py MODEL ADAPTER TEXT TARGET

MODEL and ADAPTER are folders, TEXT a file, TARGET the folder of the new adapter. Prints JSON.
"""
import json, sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from peft import LoraConfig, PeftModel, get_peft_model
base, adapter, text, target = sys.argv[1:5]
torch.set_num_threads(1)
torch.manual_seed(0)
def load(): return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
ids = AutoTokenizer.from_pretrained(base)(open(text).read(), add_special_tokens=False)["input_ids"]
def loss(model):
    total, count = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(ids) - 32, 32):
            window = torch.tensor([ids[start:start + 33]])
            logits = model.eval()(window[:, :-1]).logits[0].double()
            total += torch.nn.functional.cross_entropy(logits, window[0, 1:], reduction="sum").item()
            count += 32
    return total / count
result = {"base": loss(load()), "read": loss(PeftModel.from_pretrained(load(), adapter))}
config = LoraConfig(task_type="CAUSAL_LM", r=3, lora_alpha=5, use_rslora=True,
                    target_modules="all-linear")
model = get_peft_model(load(), config)
for name, value in model.named_parameters():
    if "lora_B" in name: value.data.normal_(0, 0.1)
model.save_pretrained(target)
result["written"] = loss(model)
print(json.dumps(result))
