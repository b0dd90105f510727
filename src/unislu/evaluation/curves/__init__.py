"""The papers' curves and analyses, each a table (CSV) and a figure (SVG and PNG).

bias        precision and recall over the entity bias           WhisperNER, Fig. 2
length      scores by the number of words in a sentence         UniSLU, Fig. 3
formats     tokens of the output in each format                 WhisperNER, Fig. 5
negatives   negatives and type dropout in training              WhisperNER, Figs. 3 and 4
languages   languages that were not trained on                  WhisperNER, Table IV
"""
