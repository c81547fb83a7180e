// What every page needs: the style sheet.
import "./style.css";
