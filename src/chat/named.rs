//! Built-in templates by name, for models without one and for conversations in another format. They write the
//! published formats in the plainest way: roles as they come, no tools, no default system message.

/// The name for no template: prompts are taken as they stand.
pub const NONE: &str = "none";

/// Templates by name; the names are llama.cpp's if it has them.
pub const NAMES: &[(&str, &str)] = &[
    (
        "chatml",
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}\
         {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    ),
    (
        "gemma",
        "{{ bos_token }}{% set before = namespace(text='') %}{% for message in messages %}\
         {% if message.role == 'system' %}{% set before.text = message.content.strip() + '\n\n' %}{% else %}\
         <start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}\n\
         {{ before.text }}{{ message.content.strip() }}<end_of_turn>\n{% set before.text = '' %}{% endif %}{% endfor %}\
         {% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
    ),
    (
        "granite",
        "{% for message in messages %}<|start_of_role|>{{ message.role }}<|end_of_role|>{{ message.content }}<|end_of_text|>\n\
         {% endfor %}{% if add_generation_prompt %}<|start_of_role|>assistant<|end_of_role|>{% endif %}",
    ),
    (
        "llama2",
        "{% set before = namespace(text='') %}{% for message in messages %}{% if message.role == 'system' %}\
         {% set before.text = '<<SYS>>\n' + message.content + '\n<</SYS>>\n\n' %}{% elif message.role == 'user' %}\
         {{ bos_token }}[INST] {{ before.text }}{{ message.content.strip() }} [/INST]{% set before.text = '' %}{% else %} \
         {{ message.content.strip() }} {{ eos_token }}{% endif %}{% endfor %}",
    ),
    (
        "llama3",
        "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message.role }}<|end_header_id|>\n\n\
         {{ message.content.strip() }}<|eot_id|>{% endfor %}\
         {% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
    ),
    (
        "mistral-v3",
        "{{ bos_token }}{% set before = namespace(text='') %}{% for message in messages %}{% if message.role == 'system' %}\
         {% set before.text = message.content + '\n\n' %}{% elif message.role == 'user' %}\
         [INST] {{ before.text }}{{ message.content }}[/INST]{% set before.text = '' %}{% else %} \
         {{ message.content.strip() }}{{ eos_token }}{% endif %}{% endfor %}",
    ),
    (
        "phi3",
        "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}<|end|>\n{% endfor %}\
         {% if add_generation_prompt %}<|assistant|>\n{% endif %}",
    ),
    (
        "phi4",
        "{% for message in messages %}<|im_start|>{{ message.role }}<|im_sep|>{{ message.content }}<|im_end|>{% endfor %}\
         {% if add_generation_prompt %}<|im_start|>assistant<|im_sep|>{% endif %}",
    ),
    (
        "zephyr",
        "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}{{ eos_token }}\n{% endfor %}\
         {% if add_generation_prompt %}<|assistant|>\n{% endif %}",
    ),
];

/// Returns the text of the template that has this name.
pub fn named(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
