"""What the transformers library computes of the models in a folder.

    transformers_logits.py FOLDER

Each folder in it holds a model and ids.safetensors (`ids`, [B × T]); gets result.safetensors
(`result`: the logits, or the last states of an encoder).
"""
import json, os, sys, torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForCausalLM
torch.set_num_threads(1)
for name in sorted(os.listdir(sys.argv[1])):
    folder = os.path.join(sys.argv[1], name)
    kind = json.load(open(folder + "/config.json"))["model_type"]
    loader = AutoModel if kind == "bert" else AutoModelForCausalLM
    model = loader.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    ids = load_file(folder + "/ids.safetensors")["ids"].long()
    with torch.no_grad():
        output = model(ids)
    result = output.last_hidden_state if kind == "bert" else output.logits
    save_file({"result": result.contiguous()}, folder + "/result.safetensors")
