"""Questions visitors of the fixture site ask: with the fact that answers them and its page, or without."""

from __future__ import annotations

ANSWERABLE: tuple[tuple[str, str, str], ...] = (
    ("How long does standard delivery take?", "3 to 5 working days", "/help/shipping"),
    ("how much is shipping", "$4.95", "/help/shipping"),
    ("When is shipping free?", "free for orders over $60", "/help/shipping"),
    ("How long does a parcel to Canada take?", "5–8 working days", "/help/shipping"),
    ("do you deliver to PO boxes?", "We deliver to PO boxes", "/help/shipping"),
    ("Who pays customs duties?", "The carrier collects them from you", "/help/shipping"),
    ("My parcel has not arrived, what can I do?", "write to us", "/help/shipping"),
    ("How do I track my order?", "tracking link", "/help/shipping"),
    ("How many days do I have to return something?", "45 days", "/help/returns"),
    ("can i send back opened water filters", "cannot be returned", "/help/returns"),
    ("I have no printer, how do I return a parcel?", "QR code", "/help/returns"),
    ("When do I get my money back?", "within 5 working days", "/help/returns"),
    ("How do I swap an item for another size?", "Exchange", "/help/returns"),
    ("Which cards do you accept?", "Visa, Mastercard, American Express", "/help/orders"),
    ("can I cancel my order?", "until it is packed", "/help/orders"),
    ("Is there a student discount?", "15% off", "/help/orders"),
    ("How long are gift cards valid?", "5 years", "/help/orders"),
    ("I forgot my password", "Forgot password?", "/help/account"),
    ("How do I delete my account?", "Delete my account", "/help/account"),
    ("What is the warranty on jackets?", "3 years", "/help/warranty"),
    ("What does it cost to repair a zip?", "$60 for a zip", "/help/warranty"),
    ("How do I measure my back for a pack?", "base of your neck", "/products/sizes"),
    ("What is the chest measurement for size L?", "102–109", "/products/sizes"),
    ("How heavy is the Ridge 45?", "1,380 grams", "/products/ridge-45"),
    ("Is the Ridge backpack waterproof?", "not waterproof", "/products/ridge-45"),
    ("Can I put the backpack in the washing machine?", "Do not machine-wash", "/products/ridge-45"),
    ("how do I pitch the tent", "Spread out the groundsheet", "/products/lark-tent"),
    ("Why are there drops inside my tent?", "Open both vents", "/products/lark-tent"),
    ("At what temperature should I wash my jacket?", "30 °C", "/products/care"),
    ("How do I store a jacket?", "Hang the jacket up", "/products/care"),
    ("How do I authenticate against the API?", "Authorization: Bearer", "/api/quickstart"),
    ("What is the rate limit of the API?", "120 requests a minute", "/api/limits"),
    ("What does error 409 mean?", "out_of_stock", "/api/limits"),
    ("How do I verify a webhook signature?", "hmac.compare_digest", "/api/webhooks"),
    ("how often do you retry webhooks?", "every 6 hours for 3 days", "/api/webhooks"),
    ("What are your opening hours in Portland?", "closed on Mondays", "/"),
    ("What is your phone number?", "+1 802 555 0142", "/"),
    ("Do you use recycled materials?", "recycled nylon", "/sustainability"),
    ("what can I do with my old backpack", "handed in at both shops", "/sustainability"),
    ("Where do I apply for a job?", "jobs@fernwood.example", "/help/press"),
)
"""Question, the words its answer must hold, and the page they stand on."""

UNANSWERABLE: tuple[str, ...] = (
    "Do you sell kayaks?",
    "Who is the chief executive of Fernwood?",
    "What is the capital of France?",
    "Can I pay with Bitcoin?",
    "Do you ship to Brazil?",
    "How do I install the mobile app?",
    "What is the weather tomorrow?",
    "Write me a poem about autumn",
    "Do you have a loyalty programme?",
    "Is the tent fireproof?",
    "What was your revenue last year?",
    "Can I rent a sleeping bag?",
    "Does the API support GraphQL?",
    "How do I train a neural network?",
)

FOLLOW_UPS: tuple[tuple[tuple[str, ...], str, str, str], ...] = (
    (
        ("How long does delivery take?",),
        "And to Australia?",
        "10–15 working days",
        "/help/shipping",
    ),
    (("What is the rate limit of the API?",), "what happens beyond that?", "429", "/api/limits"),
    (("Tell me about the Ridge 45",), "How do I clean it?", "Wipe it", "/products/ridge-45"),
    (("How do I delete my account?",), "how long does it take?", "14 days", "/help/account"),
    (("What is the warranty on jackets?",), "and tents?", "2 years", "/help/warranty"),
)
"""Earlier questions, the follow-up, the words its answer must hold, and the page."""
